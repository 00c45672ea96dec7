"use strict";
// Replaces the changing part of the page with each update. EventSource reconnects by itself.
const live = document.getElementById("live");
const link = document.getElementById("link");
const stream = new EventSource("stream");

stream.addEventListener("live", (message) => {
  if ([...live.querySelectorAll("audio")].some((audio) => !audio.paused)) return; // a later update has the same rows
  live.innerHTML = JSON.parse(message.data); // the base station has escaped it
  const stopped = live.querySelector(".problem") !== null;
  link.textContent = stopped ? "No new rows." : "Live.";
  link.className = stopped ? "away" : "live";
});
stream.addEventListener("error", () => {
  link.textContent = "The base station does not answer. Trying again.";
  link.className = "away";
});
