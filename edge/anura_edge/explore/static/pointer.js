// What is under the pointer in the spectrogram, and the selection of a time by dragging.

import { formatTime } from "./format.js";

const MIN_DRAG_PX = 4; // a click with a hand that trembles

/** Return time, frequency and the highest scores at a place, as text. `hz` may be null. `order` is [{label}] by rank. */
export function describePlace({ about, arrays }, order, seconds, hz) {
  const count = about.labels.length;
  const frame = Math.round((seconds * about.model.rate_hz - about.span / 2) / about.step);
  const at = Math.max(0, Math.min(arrays.power.length - 1, frame)) * count;
  const scores = order
    .map(({ label }) => ({ code: about.labels[label].code, score: arrays.probabilities[at + label] }))
    .sort((one, other) => other.score - one.score)
    .slice(0, 2)
    .map(({ code, score }) => `${code} ${score.toFixed(2)}`);
  const frequency = hz === null ? [] : [hz >= 1000 ? `${(hz / 1000).toFixed(2)} kHz` : `${Math.round(hz)} Hz`];
  return [formatTime(seconds, 2), ...frequency, ...scores].join(" · ");
}

/**
 * Let the pointer select a time in an element. `mark` shows the selection. Calls `onMove(x, y)` under a moving pointer,
 * `onLeave()`, `onClick(x)`, and `onSelect(x1, x2)` after dragging, in pixels from the left and the top of the element.
 */
export function watchPointer(element, mark, { onMove, onLeave, onClick, onSelect }) {
  let from = null;
  const x = (event) => Math.max(0, Math.min(element.clientWidth, event.clientX - element.getBoundingClientRect().left));
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    from = x(event);
    element.setPointerCapture(event.pointerId);
  });
  element.addEventListener("pointermove", (event) => {
    onMove(x(event), event.clientY - element.getBoundingClientRect().top);
    if (from === null || Math.abs(x(event) - from) < MIN_DRAG_PX) return;
    mark.hidden = false;
    mark.style.left = `${element.offsetLeft + Math.min(from, x(event))}px`;
    mark.style.width = `${Math.abs(x(event) - from)}px`;
  });
  element.addEventListener("pointerup", (event) => {
    if (from === null) return;
    const [begin, end] = [from, x(event)].sort((one, other) => one - other);
    from = null;
    mark.hidden = true;
    if (end - begin < MIN_DRAG_PX) onClick(begin);
    else onSelect(begin, end);
  });
  element.addEventListener("pointercancel", () => {
    from = null;
    mark.hidden = true;
  });
  element.addEventListener("pointerleave", onLeave);
}
