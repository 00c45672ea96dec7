"use strict";
// Play buttons of rows, the box that selects all calls, and the line that follows the sound in a spectrogram.
const rowPlayer = new Audio();
let playingButton = null;

function showSymbol(button, symbol) {
  if (button) button.textContent = symbol;
}
for (const event of ["ended", "pause"]) rowPlayer.addEventListener(event, () => showSymbol(playingButton, "▶"));
rowPlayer.addEventListener("playing", () => showSymbol(playingButton, "⏸"));

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-play]");
  if (!button) return;
  if (button === playingButton && !rowPlayer.paused) return rowPlayer.pause();
  if (button !== playingButton) {
    showSymbol(playingButton, "▶");
    playingButton = button;
    rowPlayer.src = button.dataset.play;
  }
  rowPlayer.play().catch(() => showSymbol(button, "✕"));
});

document.addEventListener("change", (event) => {
  if (event.target.id !== "all-calls") return;
  for (const box of document.querySelectorAll("input[name=event]")) box.checked = event.target.checked;
});

// `timeupdate` comes four times a second, which is too coarse for a line that moves.
function follow(audio) {
  const line = audio.closest("figure")?.querySelector(".playhead");
  if (!line) return;
  const x = audio.duration ? (audio.currentTime / audio.duration) * Number(line.dataset.width) : 0;
  line.setAttribute("x1", x);
  line.setAttribute("x2", x);
  if (!audio.paused) requestAnimationFrame(() => follow(audio));
}
for (const event of ["play", "seeked", "pause"]) {
  document.addEventListener(event, (each) => { if (each.target.matches?.("figure.clip audio")) follow(each.target); }, true);
}
