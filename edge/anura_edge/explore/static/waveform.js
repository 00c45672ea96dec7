// Draws the waveform and the regions of the calls, with wavesurfer.js. Its scrolling and zooming set the visible time of
// all panels.

import { colour, speciesColour } from "./colours.js";

// wavesurfer.js writes an inline style that contains this height; the content security policy allows it by its hash.
const HEIGHT = 120;

const PEAKS_PER_S = 200;
const MAX_PX_PER_S = 2000;

export class Waveform {
  /** `onView` is called with begin and end, in seconds, whenever the visible time changes. */
  constructor(element, player, onView) {
    Object.assign(this, { element, player, onView });
    this.regions = WaveSurfer.Regions.create();
    this.wave = WaveSurfer.create({
      container: element,
      height: HEIGHT,
      media: player,
      peaks: [peaks(player)],
      duration: Math.max(player.duration, 0.001),
      normalize: true,
      waveColor: colour("--wave"),
      progressColor: colour("--wave"),
      cursorColor: colour("--ink"),
      cursorWidth: 2,
      autoCenter: false,
      plugins: [this.regions],
    });
    for (const event of ["ready", "scroll", "zoom", "redraw"]) this.wave.on(event, () => this.onView(...this.view));
  }

  /** Begin and end of the visible time, in seconds. */
  get view() {
    const width = this.wave.getWrapper().clientWidth || 1;
    const begin = (this.wave.getScroll() / width) * this.player.duration;
    return [begin, Math.min(this.player.duration, begin + (this.wave.getWidth() / width) * this.player.duration)];
  }

  /** Zoom level on a logarithmic scale: 0 shows the whole recording, 1 shows MAX_PX_PER_S. */
  get zoom() {
    const [min, max] = this._bounds;
    const [begin, end] = this.view;
    return Math.log(this.wave.getWidth() / Math.max(end - begin, 1e-9) / min) / Math.log(max / min);
  }

  set zoom(share) {
    const [min, max] = this._bounds;
    const [begin, end] = this.view;
    const position = this.player.currentTime;
    const centre = begin <= position && position <= end ? position : (begin + end) / 2;
    const density = min * (max / min) ** Math.max(0, Math.min(1, share));
    const length = this.wave.getWidth() / density;
    this.setView(centre - length / 2, centre + length / 2);
  }

  /** Show the time from `begin` to `end`, in seconds. */
  setView(begin, end) {
    const [min, max] = this._bounds;
    const density = Math.max(min, Math.min(max, this.wave.getWidth() / Math.max(end - begin, 1e-9)));
    this.wave.zoom(density <= min * 1.001 ? 0 : density);
    this.wave.setScrollTime(Math.max(0, begin));
    this.onView(...this.view);
  }

  /** Show calls as regions, with a lane and a colour for each species. `ranks` is the rank of each label. */
  showRegions(calls, ranks, rate) {
    this.regions.clearRegions();
    const lanes = [...new Set(calls.map(({ label }) => label))].sort((one, other) => ranks[one] - ranks[other]);
    for (const call of calls) {
      const region = this.regions.addRegion({
        start: call.onset / rate,
        end: Math.max(call.offset, call.onset + 1) / rate,
        content: call.code,
        color: `${speciesColour(ranks[call.label])}80`,
        drag: false,
        resize: false,
      });
      if (!region.element) continue;
      region.element.style.top = `${(100 * lanes.indexOf(call.label)) / lanes.length}%`;
      region.element.style.height = `${100 / lanes.length}%`;
      region.element.title = call.code;
    }
  }

  close() {
    this.wave.destroy();
  }

  get _bounds() {
    const min = this.wave.getWidth() / Math.max(this.player.duration, 0.001);
    return [min, Math.max(2 * min, MAX_PX_PER_S)];
  }
}

/** Return the highest level in each bin of 1 / PEAKS_PER_S seconds. */
function peaks({ audio, rate }) {
  const size = Math.max(1, Math.floor(rate / PEAKS_PER_S));
  const highest = new Float32Array(Math.max(1, Math.ceil(audio.length / size)));
  for (let n = 0; n < audio.length; n++) {
    const level = Math.abs(audio[n]) / 32768;
    const bin = Math.floor(n / size);
    if (level > highest[bin]) highest[bin] = level;
  }
  return highest;
}
