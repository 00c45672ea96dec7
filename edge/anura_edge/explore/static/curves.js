// Draws the probabilities of the chosen species over time, with uPlot.

import { formatTime } from "./format.js";
import { DASHES, colour, speciesColour } from "./colours.js";

export class Curves {
  /** `onSeek` is called with the clicked time, `onSelect` with the begin and end of a selection, all in seconds. */
  constructor(element, gutter, onSeek, onSelect) {
    Object.assign(this, { element, gutter, onSeek, onSelect });
    this.plot = null;
  }

  /** Show species of an analysis, [{label, highest}], with `thresholds` by label. */
  show({ about, arrays }, species, thresholds) {
    this.thresholds = species.map(({ label }) => thresholds[label]);
    const count = about.labels.length;
    const frames = arrays.power.length;
    const key = species.map(({ label }) => label).join();
    if (this.plot && this.arrays === arrays && this.key === key) return this.plot.redraw(false);
    this.arrays = arrays;
    this.key = key;
    const centre_s = (frame) => (frame * about.step + about.span / 2) / about.model.rate_hz;
    const times = Float64Array.from({ length: frames }, (_, frame) => centre_s(frame));
    const curves = species.map(({ label }) =>
      Float32Array.from({ length: frames }, (_, frame) => arrays.probabilities[frame * count + label]),
    );
    const view = this.plot && this.view;
    this.clear();
    this.plot = new uPlot(this._options(about, species), [times, ...curves], this.element);
    this.plot.over.addEventListener("click", (click) => {
      if (!this.selected) this.onSeek(this.plot.posToVal(click.offsetX, "x"));
      this.selected = false;
    });
    if (view) this.range(...view);
  }

  clear() {
    this.plot?.destroy();
    this.plot = null;
  }

  /** Show the time from `begin` to `end`, in seconds. */
  range(begin, end) {
    this.view = [begin, end];
    this.plot?.setScale("x", { min: begin, max: end });
  }

  resize() {
    this.plot?.setSize({ width: this.element.clientWidth, height: this.element.clientHeight });
  }

  _options(about, species) {
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    return {
      width: this.element.clientWidth,
      height: this.element.clientHeight,
      padding: [8, 0, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
      scales: { x: { time: false }, y: { range: [0, 1] } },
      axes: [
        { ...axis, size: 24, values: (plot, ticks, _, __, step) => ticks.map((tick) => this._tick(plot, tick, step)) },
        { ...axis, size: this.gutter, gap: 6, splits: [0, 0.25, 0.5, 0.75, 1] },
      ],
      series: [
        {},
        ...species.map(({ label }, rank) => ({
          label: about.labels[label].code,
          stroke: speciesColour(rank),
          dash: DASHES[rank],
          width: 1.75,
          points: { show: false },
        })),
      ],
      hooks: { draw: [(plot) => this._drawThresholds(plot)], setSelect: [(plot) => this._select(plot)] },
    };
  }

  /** Return a tick's label; it is empty where the right edge would cut it off. */
  _tick(plot, tick, step) {
    const { min, max } = plot.scales.x;
    return (tick - min) / (max - min) > 0.98 ? "" : formatTime(tick, step < 1 ? 1 : 0);
  }

  _drawThresholds(plot) {
    const { ctx: pen, bbox } = plot;
    pen.save();
    pen.lineWidth = 1;
    [...new Set(this.thresholds)].forEach((threshold) => {
      const y = Math.round(plot.valToPos(threshold, "y", true)) + 0.5;
      pen.strokeStyle = colour("--ink");
      pen.setLineDash([3, 3]);
      pen.beginPath();
      pen.moveTo(bbox.left, y);
      pen.lineTo(bbox.left + bbox.width, y);
      pen.stroke();
    });
    pen.restore();
  }

  _select(plot) {
    const { left, width } = plot.select;
    if (width < 4) return;
    this.selected = true; // the click that ends the selection must not start the player
    this.onSelect(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  }
}
