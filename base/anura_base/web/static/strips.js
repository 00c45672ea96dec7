"use strict";
// Values of charts by pointer, touch and keys. The page has the texts; this only shows them where a person looks.
const DAY_MS = 86_400_000;
const day = (begin, days) => new Date(Date.parse(begin) + days * DAY_MS).toISOString().slice(0, 10);

function columnOf(strip, index) {
  const { begin, step, link, readings } = strip.dataset;
  const first = day(begin, index * step), last = day(begin, (index + 1) * step - 1);
  const address = link && `${link}${link.includes("?") ? "&" : "?"}first=${first}&last=${last}`;
  return { name: first === last ? first : `${first} to ${last}`, text: readings.split("|")[index], address };
}

function show(strip, index) {
  const svg = strip.querySelector("svg"), count = Number(svg.getAttribute("aria-valuemax"));
  index = Math.min(Math.max(index, 0), count - 1);
  const { name, text } = columnOf(strip, index);
  strip.dataset.index = index;
  strip.querySelector(".reading").textContent = `${name}: ${text}`;
  svg.setAttribute("aria-valuenow", index + 1);
  svg.setAttribute("aria-valuetext", `${name}: ${text}`);
}

function indexAt(strip, event) {
  const box = strip.querySelector("svg").getBoundingClientRect();
  const count = Number(strip.querySelector("svg").getAttribute("aria-valuemax"));
  return Math.floor(((event.clientX - box.left) / box.width) * count);
}

const stripOf = (event) => event.target.closest?.(".strip svg") && event.target.closest(".strip");
const sectorOf = (event) => event.target.closest?.(".sector");

function showSector(sector) {
  sector.closest("figure").querySelector(".reading").textContent = sector.getAttribute("aria-label");
}

document.addEventListener("pointermove", (event) => {
  const strip = stripOf(event);
  if (strip && event.pointerType !== "touch") show(strip, indexAt(strip, event));
  if (sectorOf(event)) showSector(sectorOf(event));
});
document.addEventListener("focusin", (event) => sectorOf(event) && showSector(sectorOf(event)));
document.addEventListener("click", (event) => {
  const strip = stripOf(event);
  if (!strip) return sectorOf(event) && showSector(sectorOf(event));
  const index = indexAt(strip, event), again = Number(strip.dataset.index) === index;
  show(strip, index);
  const { address } = columnOf(strip, index);
  // A finger has not read the value yet, so its first touch shows it and the second one follows the link.
  if (address && (event.pointerType !== "touch" || again)) location.assign(address);
});
document.addEventListener("keydown", (event) => {
  const strip = stripOf(event);
  if (!strip) return;
  const index = Number(strip.dataset.index ?? -1), step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step) {
    event.preventDefault();
    show(strip, index + step);
  } else if (event.key === "Enter" && index >= 0 && columnOf(strip, index).address) {
    location.assign(columnOf(strip, index).address);
  }
});
