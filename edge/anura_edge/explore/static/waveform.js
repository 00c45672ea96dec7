// Draws the waveform and the regions of the calls, with wavesurfer.js. Its scrolling and zooming lead: what is in view here
// is what the other pictures show.

import { colour, speciesColour } from "./colours.js";

// wavesurfer.js writes an inline style with this number in it, which the page's policy allows by its hash alone.
const HEIGHT = 120;

const PEAKS_PER_S = 200;
const MOST_PX_PER_S = 2000;

export class Waveform {
  /** `seen` is called with begin and end, in seconds, whenever another stretch is in view. */
  constructor(element, player, seen) {
    Object.assign(this, { element, player, seen });
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
    for (const event of ["ready", "scroll", "zoom", "redraw"]) this.wave.on(event, () => this.seen(...this.view));
  }

  /** Begin and end of what is in view, in seconds. */
  get view() {
    const whole = this.wave.getWrapper().clientWidth || 1;
    const begin = (this.wave.getScroll() / whole) * this.player.duration;
    return [begin, Math.min(this.player.duration, begin + (this.wave.getWidth() / whole) * this.player.duration)];
  }

  /** How far in: 0 shows all, 1 as much as is of use. */
  get zoom() {
    const [least, most] = this._bounds;
    const [begin, end] = this.view;
    return Math.log(this.wave.getWidth() / Math.max(end - begin, 1e-9) / least) / Math.log(most / least);
  }

  set zoom(share) {
    const [least, most] = this._bounds;
    const [begin, end] = this.view;
    const at = this.player.currentTime;
    const middle = begin <= at && at <= end ? at : (begin + end) / 2;
    const density = least * (most / least) ** Math.max(0, Math.min(1, share));
    const length = this.wave.getWidth() / density;
    this.look(middle - length / 2, middle + length / 2);
  }

  /** Show a stretch. */
  look(begin, end) {
    const [least, most] = this._bounds;
    const density = Math.max(least, Math.min(most, this.wave.getWidth() / Math.max(end - begin, 1e-9)));
    this.wave.zoom(density <= least * 1.001 ? 0 : density);
    this.wave.setScrollTime(Math.max(0, begin));
    this.seen(...this.view);
  }

  /** Show calls as regions, each species in a lane and a colour: `places` says which place of the order a label has. */
  mark(calls, places, rate) {
    this.regions.clearRegions();
    const lanes = [...new Set(calls.map(({ label }) => label))].sort((one, other) => places[one] - places[other]);
    for (const call of calls) {
      const region = this.regions.addRegion({
        start: call.onset / rate,
        end: Math.max(call.offset, call.onset + 1) / rate,
        content: call.code,
        color: `${speciesColour(places[call.label])}80`,
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
    const least = this.wave.getWidth() / Math.max(this.player.duration, 0.001);
    return [least, Math.max(2 * least, MOST_PX_PER_S)];
  }
}

/** Return the highest level in each short piece of time. */
function peaks({ audio, rate }) {
  const size = Math.max(1, Math.floor(rate / PEAKS_PER_S));
  const found = new Float32Array(Math.max(1, Math.ceil(audio.length / size)));
  for (let n = 0; n < audio.length; n++) {
    const level = Math.abs(audio[n]) / 32768;
    const place = Math.floor(n / size);
    if (level > found[place]) found[place] = level;
  }
  return found;
}
