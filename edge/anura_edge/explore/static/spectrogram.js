// Draws the visible part of the spectrogram.

import { SCALE, colour } from "./colours.js";

const TICKS_HZ = [250, 500, 1000, 2000, 4000, 8000, 16000];

export class Spectrogram {
  /** `gutter` is the width at the left for the labels of the frequency axis, in pixels. */
  constructor(canvas, gutter) {
    this.canvas = canvas;
    this.gutter = gutter;
  }

  /** Draw the time from `begin` to `end`, in seconds. */
  draw({ about, arrays }, begin, end) {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.canvas;
    const width = Math.max(1, Math.round(clientWidth * ratio));
    const height = Math.max(1, Math.round(clientHeight * ratio));
    const gutter = Math.round(this.gutter * ratio);
    Object.assign(this.canvas, { width, height });
    const pen = this.canvas.getContext("2d");
    this._drawLevels(pen, { about, arrays }, begin, end, gutter, width - gutter, height);
    pen.scale(ratio, ratio);
    this._drawTicks(pen, about.bands_hz, clientHeight);
  }

  _drawLevels(pen, { about, arrays }, begin, end, left, width, height) {
    if (width < 1) return;
    const bands = about.bands_hz.length;
    const columns = arrays.levels.length / bands;
    const image = new ImageData(width, bands);
    const pixels = new Uint32Array(image.data.buffer);
    const perPixel = (end - begin) / width / about.column_s;
    for (let x = 0; x < width; x++) {
      const first = Math.min(columns - 1, Math.max(0, Math.round(begin / about.column_s + x * perPixel)));
      const last = Math.min(columns - 1, Math.max(first, Math.ceil(begin / about.column_s + (x + 1) * perPixel) - 1));
      for (let band = 0; band < bands; band++) {
        let level = 0; // the maximum of all columns of this pixel, so that a short call stays visible
        for (let column = first; column <= last; column++) level = Math.max(level, arrays.levels[column * bands + band]);
        pixels[(bands - 1 - band) * width + x] = SCALE[level];
      }
    }
    const buffer = new OffscreenCanvas(width, bands);
    buffer.getContext("2d").putImageData(image, 0, 0);
    pen.drawImage(buffer, left, 0, width, height);
  }

  _drawTicks(pen, bands, height) {
    pen.fillStyle = colour("--quiet");
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const hz of TICKS_HZ.filter((hz) => hz < bands.at(-1))) {
      const band = bands.findIndex((centre) => centre >= hz);
      const y = height * (1 - (band + 0.5) / bands.length);
      if (y > 6) pen.fillText(hz >= 1000 ? `${hz / 1000} kHz` : `${hz} Hz`, this.gutter - 6, y);
    }
  }
}
