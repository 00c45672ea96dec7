// Plays samples that are already here. To wavesurfer.js it looks like an <audio> element, which would need an address.

export class Player extends EventTarget {
  constructor(audio, rate) {
    super();
    this.audio = audio;
    this.rate = rate;
    this.duration = audio.length / rate;
    this.readyState = 4;
    this.src = this.currentSrc = "";
    this.volume = this.playbackRate = 1;
    this.muted = this.seeking = this.ended = false;
    this.paused = true;
    this.at = 0;
  }

  /** A browser makes sound only after a key or a click: so not before the first. */
  get context() {
    this._context ??= new AudioContext();
    return this._context;
  }

  get buffer() {
    if (!this._buffer) {
      this._buffer = new AudioBuffer({ length: Math.max(1, this.audio.length), sampleRate: this.rate });
      const samples = this._buffer.getChannelData(0);
      for (let n = 0; n < this.audio.length; n++) samples[n] = this.audio[n] / 32768;
    }
    return this._buffer;
  }

  get currentTime() {
    return this.paused ? this.at : Math.min(this.duration, this.at + this.context.currentTime - this.since);
  }

  set currentTime(seconds) {
    const playing = !this.paused;
    this._silence();
    this.at = Math.max(0, Math.min(seconds, this.duration));
    this._tell("seeking", "timeupdate", "seeked");
    if (playing) this._sound();
  }

  async play() {
    if (!this.paused) return;
    if (this.at >= this.duration) this.at = 0;
    this._sound();
    this._tell("play");
    await this.context.resume();
  }

  pause() {
    if (this.paused) return;
    this.at = this.currentTime;
    this._silence();
    this._tell("pause");
  }

  /** Be quiet for good. */
  close() {
    this.pause();
    this._context?.close();
  }

  load() {}
  remove() {}
  removeAttribute() {}
  canPlayType() {
    return "";
  }

  _sound() {
    this.node = new AudioBufferSourceNode(this.context, { buffer: this.buffer });
    this.node.connect(this.context.destination);
    this.node.onended = () => {
      this.at = this.duration;
      this._silence();
      this._tell("timeupdate", "pause", "ended");
    };
    this.since = this.context.currentTime;
    this.node.start(0, this.at);
    this.paused = false;
  }

  _silence() {
    if (this.node) this.node.onended = null;
    this.node?.stop();
    this.node = null;
    this.paused = true;
  }

  _tell(...names) {
    for (const name of names) this.dispatchEvent(new Event(name));
  }
}
