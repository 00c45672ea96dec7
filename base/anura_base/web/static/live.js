"use strict";
// Puts each update of the page in place. EventSource reconnects by itself.
const live = document.getElementById("live");
const link = document.getElementById("link");
const stream = new EventSource("stream");

stream.addEventListener("live", (message) => {
  if ([...live.querySelectorAll("audio")].some((audio) => !audio.paused)) return; // the next one shows it, too
  live.innerHTML = JSON.parse(message.data); // rendered and escaped by the base station
});
stream.addEventListener("open", () => {
  link.textContent = "Live.";
  link.className = "live";
});
stream.addEventListener("error", () => {
  link.textContent = "The base station does not answer; trying again.";
  link.className = "away";
});
