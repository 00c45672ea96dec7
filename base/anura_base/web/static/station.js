"use strict";
// The header must not show an old state as the present one when the base station itself is gone.
for (const name of ["htmx:error", "htmx:response:error"]) {
  document.addEventListener(name, (event) => {
    const strip = document.getElementById("station");
    if (strip && event.target === strip) {
      strip.innerHTML = '<li class="bad">The base station does not answer. Trying again.</li>';
    }
  });
}
