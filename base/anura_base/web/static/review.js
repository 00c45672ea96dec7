"use strict";
// Keyboard shortcuts. A key clicks the button, or focuses the field, with this key in `data-key`.
document.addEventListener("keydown", (press) => {
  const typing = press.target.closest?.("input, select, textarea");
  if (press.ctrlKey || press.metaKey || press.altKey || press.repeat) return;
  if (typing) {
    if (press.key === "Escape") typing.blur();
    if (press.key === "Enter" && typing.dataset.key === "l") {
      press.preventDefault(); // otherwise Enter would click the first button, which confirms the call
      document.querySelector("[data-key=Enter]").click();
    }
    return;
  }
  const key = press.key.toLowerCase();
  const found = /^[a-z]$/.test(key) && document.querySelector(`[data-key="${key}"]`);
  if (!found) return;
  press.preventDefault();
  if (found.matches("input")) found.focus();
  else if (found.matches("audio")) found.paused ? found.play() : found.pause();
  else found.click();
});
