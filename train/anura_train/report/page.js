"use strict";
// Shows the rows of the chosen site and species; without a script all of them are shown.
const filters = document.querySelectorAll("select[data-filter]");
function choose() {
  for (const row of document.querySelectorAll("table.activity tbody tr")) {
    row.hidden = [...filters].some((each) => each.value && row.dataset[each.dataset.filter] !== each.value);
  }
}
filters.forEach((each) => each.addEventListener("change", choose));
