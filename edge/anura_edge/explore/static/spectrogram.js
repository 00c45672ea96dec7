// Draws the visible part of the spectrogram.

import { SCALE, colour } from "./colours.js";

const TICKS_HZ = [250, 500, 1000, 2000, 4000, 8000, 16000];

export class Spectrogram {
  /** `gutter` is the width at the left for the labels of the frequency axis, in pixels. */
  constructor(canvas, gutter) {
    this.canvas = canvas;
    this.gutter = gutter;
  }

  /**
   * Draw the time from `begin` to `end`, in seconds. `view` is {floor, low, high, boxes}: the level that is black, from 0
   * to 255; the lowest and the highest band; and boxes as [{begin, end, colour}].
   */
  draw({ about, arrays }, begin, end, view) {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.canvas;
    const width = Math.max(1, Math.round(clientWidth * ratio));
    const height = Math.max(1, Math.round(clientHeight * ratio));
    const gutter = Math.round(this.gutter * ratio);
    Object.assign(this.canvas, { width, height });
    Object.assign(this, { bands: about.bands_hz.slice(view.low, view.high + 1) });
    const pen = this.canvas.getContext("2d");
    this._drawLevels(pen, { about, arrays }, begin, end, gutter, width - gutter, height, view);
    pen.scale(ratio, ratio);
    this._drawBoxes(pen, begin, end, view.boxes);
    this._drawTicks(pen, this.bands, clientHeight);
  }

  /** Return the frequency at a height of the canvas, in Hz. */
  frequencyAt(y) {
    const band = Math.floor((1 - y / this.canvas.clientHeight) * this.bands.length);
    return this.bands[Math.max(0, Math.min(this.bands.length - 1, band))];
  }

  _drawLevels(pen, { about, arrays }, begin, end, left, width, height, { floor, low, high }) {
    if (width < 1) return;
    const bands = about.bands_hz.length;
    const shown = high - low + 1;
    const columns = arrays.levels.length / bands;
    const image = new ImageData(width, shown);
    const pixels = new Uint32Array(image.data.buffer);
    const perPixel = (end - begin) / width / about.column_s;
    const scaled = Uint8Array.from({ length: 256 }, (_, level) => Math.max(0, ((level - floor) / (255 - floor)) * 255));
    for (let x = 0; x < width; x++) {
      const first = Math.min(columns - 1, Math.max(0, Math.round(begin / about.column_s + x * perPixel)));
      const last = Math.min(columns - 1, Math.max(first, Math.ceil(begin / about.column_s + (x + 1) * perPixel) - 1));
      for (let band = low; band <= high; band++) {
        let level = 0; // the maximum of all columns of this pixel, so that a short call stays visible
        for (let column = first; column <= last; column++) level = Math.max(level, arrays.levels[column * bands + band]);
        pixels[(high - band) * width + x] = SCALE[scaled[level]];
      }
    }
    const buffer = new OffscreenCanvas(width, shown);
    buffer.getContext("2d").putImageData(image, 0, 0);
    pen.drawImage(buffer, left, 0, width, height);
  }

  /** Draw the boxes of calls: from onset to offset, over all frequencies, because a call has none of its own. */
  _drawBoxes(pen, begin, end, boxes) {
    const { clientWidth, clientHeight } = this.canvas;
    const width = clientWidth - this.gutter;
    const place = (seconds) => this.gutter + ((seconds - begin) / Math.max(end - begin, 1e-9)) * width;
    pen.save();
    pen.beginPath();
    pen.rect(this.gutter, 0, width, clientHeight);
    pen.clip();
    pen.lineWidth = 2;
    for (const box of boxes.filter((each) => each.end > begin && each.begin < end)) {
      pen.strokeStyle = box.colour;
      pen.strokeRect(place(box.begin), 1, Math.max(2, place(box.end) - place(box.begin)), clientHeight - 2);
    }
    pen.restore();
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
