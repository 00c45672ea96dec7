"use strict";
// Changes what differs on the page with each update. EventSource reconnects by itself, and then gets all parts.
const link = document.getElementById("link");
const rows = document.getElementById("live-rows");
const stream = new EventSource("stream");

function element(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html.trim(); // the base station has escaped it
  return holder.content.firstElementChild;
}

function updateRows(order) {
  const old = new Map([...rows.children].map((row) => [row.id, row]));
  let place = null;
  for (const [id, html] of order) {
    const row = html === null ? old.get(id) : element(html);
    old.get(id)?.remove();
    old.delete(id);
    if (row) rows.insertBefore(row, place ? place.nextSibling : rows.firstChild);
    place = row ?? place;
  }
  for (const row of old.values()) row.remove();
  document.getElementById("no-calls").hidden = rows.children.length > 0;
}

// A part whose sound is played changes when the sound ends.
const waiting = new Map();
function updateParts() {
  for (const [name, html] of waiting) {
    const part = document.getElementById(`live-${name}`);
    if ([...part.querySelectorAll("audio")].some((audio) => !audio.paused)) continue;
    part.innerHTML = html;
    waiting.delete(name);
  }
}
document.addEventListener("pause", updateParts, true);

stream.addEventListener("live", (message) => {
  const update = JSON.parse(message.data);
  for (const [name, html] of Object.entries(update.parts)) waiting.set(name, html);
  updateParts();
  if (update.rows) updateRows(update.rows);
  const stopped = document.querySelector("#live-problems .problem") !== null;
  link.textContent = stopped ? "No new rows." : "Live.";
  link.className = stopped ? "away" : "live";
});
stream.addEventListener("error", () => {
  link.textContent = "The base station does not answer. Trying again.";
  link.className = "away";
});
