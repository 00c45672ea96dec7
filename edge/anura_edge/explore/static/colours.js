// Colours follow the page's theme: canvases take them from its style sheet. Species also differ by dash and by lane, so
// that nobody needs colours to tell them apart.

export const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5], [14, 4], [2, 6], [6, 2, 2, 2]];

/** Return the value of a custom property, as in "--ink". */
export function colour(name) {
  return getComputedStyle(document.getElementById("explorer")).getPropertyValue(name).trim();
}

/** Return the colour of the species at a place of the order, 0 the first; grey from the ninth on. */
export function speciesColour(place) {
  return colour(place < DASHES.length ? `--species${place + 1}` : "--quiet");
}

// Viridis (van der Walt and Smith 2015) at nine places: even steps of lightness for any kind of colour vision.
const VIRIDIS = ["440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725"];

/** 256 colours as one Uint32Array, as an ImageData wants them. */
export const SCALE = new Uint32Array(
  Array.from({ length: 256 }, (_, level) => {
    const at = (level / 255) * (VIRIDIS.length - 1);
    const below = Math.min(Math.floor(at), VIRIDIS.length - 2);
    const channel = (n) => {
      const [low, high] = [below, below + 1].map((place) => parseInt(VIRIDIS[place].slice(2 * n, 2 * n + 2), 16));
      return Math.round(low + (high - low) * (at - below));
    };
    return ((255 << 24) | (channel(2) << 16) | (channel(1) << 8) | channel(0)) >>> 0;
  }),
);
