// Lists the calls and the species. All names are inserted as text, never as HTML.

import { formatTime } from "./format.js";
import { speciesColour } from "./colours.js";

/** Show the legend: species as [{label, highest}], in order of rank. */
export function listSpecies(list, { labels }, species) {
  const entries = species.map(({ label, highest }, rank) => {
    const name = element("em", "", labels[label].scientific_name);
    const score = element("span", "quiet", highest.toFixed(2));
    return element("li", "", swatch(rank), name, commonName(labels[label]), ` ${labels[label].code} `, score, reliability(labels[label]));
  });
  list.replaceChildren(...entries);
}

/** Show calls as table rows. The rows carry their position in data attributes; `ranks` is the rank of each label. */
export function listCalls(body, { labels, rate_hz }, calls, ranks) {
  const rows = calls.map((call) => {
    const begin = formatTime(call.onset / rate_hz);
    const button = element("button", "", begin);
    button.type = "button";
    button.setAttribute("aria-label", `Play from ${begin}`);
    const name = element("em", "", labels[call.label].scientific_name);
    const row = element(
      "tr",
      "",
      element("td", "", button),
      element("td", "", swatch(ranks[call.label]), name, commonName(labels[call.label]), ` ${call.code}`, reliability(labels[call.label])),
      element("td", "n", call.p_peak.toFixed(2)),
      element("td", "n", `${((call.offset - call.onset) / rate_hz).toFixed(1)} s`),
      element("td", "n", `${call.level_dbfs.toFixed(0)} dBFS`),
    );
    Object.assign(row.dataset, { code: call.code, onset: call.onset, offset: call.offset, peak: call.p_peak });
    return row;
  });
  body.replaceChildren(...rows);
}

/** Return the common name of a species with a comma before it, or nothing. */
function commonName({ common_name }) {
  return common_name ? `, ${common_name}` : "";
}

/** Return the mark of a label whose precision could not be measured, or nothing. */
function reliability({ is_reliable }) {
  return is_reliable ? "" : element("span", "quiet", " unreliable");
}

function element(name, className, ...content) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...content);
  return node;
}

function swatch(rank) {
  const node = element("span", "swatch");
  node.style.backgroundColor = speciesColour(rank);
  return node;
}
