// Colours of the page's theme, for canvases. Species also differ by dash and by lane, so that colour is not needed to
// distinguish them.

export const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5], [14, 4], [2, 6], [6, 2, 2, 2]];

/** Return the value of a custom property, as in "--ink". */
export function colour(name) {
  return getComputedStyle(document.getElementById("explorer")).getPropertyValue(name).trim();
}

/** Return the colour of the species with this rank, from 0; grey from rank 8. */
export function speciesColour(rank) {
  return colour(rank < DASHES.length ? `--species${rank + 1}` : "--quiet");
}

// Viridis (van der Walt and Smith 2015) at nine points: even steps of lightness for every kind of colour vision.
const VIRIDIS = ["440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725"];

/** 256 colours in one Uint32Array, in the byte order of ImageData. */
export const SCALE = new Uint32Array(
  Array.from({ length: 256 }, (_, level) => {
    const position = (level / 255) * (VIRIDIS.length - 1);
    const below = Math.min(Math.floor(position), VIRIDIS.length - 2);
    const channel = (n) => {
      const [low, high] = [below, below + 1].map((point) => parseInt(VIRIDIS[point].slice(2 * n, 2 * n + 2), 16));
      return Math.round(low + (high - low) * (position - below));
    };
    return ((255 << 24) | (channel(2) << 16) | (channel(1) << 8) | channel(0)) >>> 0;
  }),
);
