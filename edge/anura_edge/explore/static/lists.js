// Lists the calls and the species. Whatever a name has in it is put in as text.

import { clock } from "./clock.js";
import { speciesColour } from "./colours.js";

/** Show the species of the curves, [{label, highest}], in their order. */
export function listSpecies(list, { labels }, species) {
  const entries = species.map(({ label, highest }, place) => {
    const name = element("em", "", labels[label].scientific_name);
    return element("li", "", swatch(place), name, ` ${labels[label].code} `, element("span", "quiet", highest.toFixed(2)));
  });
  list.replaceChildren(...entries);
}

/** Show calls as rows that say of themselves where they are; `places` says which place of the order a label has. */
export function listCalls(body, { labels, rate_hz }, calls, places) {
  const rows = calls.map((call) => {
    const begin = clock(call.onset / rate_hz);
    const button = element("button", "", begin);
    button.type = "button";
    button.setAttribute("aria-label", `Play from ${begin}`);
    const name = element("em", "", labels[call.label].scientific_name);
    const row = element(
      "tr",
      "",
      element("td", "", button),
      element("td", "", swatch(places[call.label]), name, ` ${call.code}`),
      element("td", "n", call.p_peak.toFixed(2)),
      element("td", "n", `${((call.offset - call.onset) / rate_hz).toFixed(1)} s`),
      element("td", "n", `${call.level_dbfs.toFixed(0)} dBFS`),
    );
    Object.assign(row.dataset, { code: call.code, onset: call.onset, offset: call.offset, peak: call.p_peak });
    return row;
  });
  body.replaceChildren(...rows);
}

function element(name, className, ...content) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

function swatch(place) {
  const made = element("span", "swatch");
  made.style.backgroundColor = speciesColour(place);
  return made;
}
