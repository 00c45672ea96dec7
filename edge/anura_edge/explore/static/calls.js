// Turns curves into calls, in the browser, as anura_edge.detection.tracker and anura_edge.detection.pipeline do on a device: the same sums in
// the same order, so the same calls to the last sample. A test holds them together.

/** Round as Python does: a half goes to the even neighbour. */
export function round(value) {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/**
 * Return the calls of one label: [onset_sample, offset_sample, p_peak, p_mean, power], in samples of the model's rate.
 * `rows` is a Float32Array of (rows, labels); `rule` is {on, off, merge_gap, max_length} of anura_edge.detection.tracker.Rule.
 */
export function track(rows, labels, label, power, step, span, rule) {
  const calls = [];
  const patience = Math.max(1, Math.ceil((rule.merge_gap + span - step) / step));
  let open = false, heard = false, onset = 0, end = 0, peak = 0, sum = 0, powers = 0, gap = [];

  function close(lastSpan) {
    if (heard) {
      const count = end - onset;
      calls.push([onset * step, (end - 1) * step + lastSpan, peak, Math.min(sum / count, peak), powers / count]);
    }
    open = heard = false;
    peak = sum = powers = 0;
    gap = [];
  }

  for (let row = 0; row < power.length; row++) {
    const p = rows[row * labels + label];
    if (p >= rule.off) {
      if (!open) [open, onset] = [true, row];
      for (const between of [...gap, row]) {
        sum += rows[between * labels + label];
        powers += power[between];
      }
      gap = [];
      end = row + 1;
      heard ||= p >= rule.on;
      peak = Math.max(peak, p);
      if ((end - onset) * step >= rule.max_length) close(step);
    } else if (open) {
      gap.push(row);
      if (!heard || gap.length >= patience) close(span);
    }
  }
  if (open) close(span);
  return calls;
}

/**
 * Return the calls of every label under settings {threshold, gap_s}, by time; a threshold of null is each label's own.
 * Onset and offset are samples of the recording at its own rate, as on each row that a device sends.
 */
export function findCalls(hearing, settings) {
  const { labels, rules, detect, model, step, span } = hearing.about;
  const { probabilities, power } = hearing.arrays;
  const ratio = hearing.about.rate_hz / model.rate_hz;
  const mergeGap = round(settings.gap_s * model.rate_hz);
  const found = labels.flatMap((label, number) => {
    const rule = { ...rules[number], merge_gap: mergeGap };
    if (settings.threshold !== null) [rule.on, rule.off] = [settings.threshold, settings.threshold * detect.release];
    return track(probabilities, labels.length, number, power, step, span, rule).map(([onset, offset, peak, mean, sound]) => ({
      label: number,
      code: label.code,
      onset: round(onset * ratio),
      offset: Math.min(round(offset * ratio), hearing.about.samples),
      p_peak: peak,
      p_mean: mean,
      level_dbfs: sound > 0 ? Math.max(-120, 10 * Math.log10(sound)) : -120,
    }));
  });
  return found.sort((one, other) => one.onset - other.onset || one.label - other.label);
}

/** Return the labels with the highest probabilities, the highest first. */
export function ranked(hearing) {
  const { probabilities } = hearing.arrays;
  const count = hearing.about.labels.length;
  const highest = new Float32Array(count);
  for (let at = 0; at < probabilities.length; at++) {
    if (probabilities[at] > highest[at % count]) highest[at % count] = probabilities[at];
  }
  const order = [...highest.keys()].sort((one, other) => highest[other] - highest[one] || one - other);
  return order.map((label) => ({ label, highest: highest[label] }));
}
