// Plays samples from memory. It has the interface of an <audio> element, as wavesurfer.js needs it, but no URL.

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
    this.position_s = 0;
  }

  /** Created at the first use: a browser allows sound only after a key or a click. */
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
    return this.paused ? this.position_s : Math.min(this.duration, this.position_s + this.context.currentTime - this.startedAt_s);
  }

  set currentTime(seconds) {
    const playing = !this.paused;
    this._stopNode();
    this.position_s = Math.max(0, Math.min(seconds, this.duration));
    this._dispatch("seeking", "timeupdate", "seeked");
    if (playing) this._startNode();
  }

  async play() {
    if (!this.paused) return;
    if (this.position_s >= this.duration) this.position_s = 0;
    this._startNode();
    this._dispatch("play");
    await this.context.resume();
  }

  pause() {
    if (this.paused) return;
    this.position_s = this.currentTime;
    this._stopNode();
    this._dispatch("pause");
  }

  /** Stop and release the audio device. */
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

  _startNode() {
    this.node = new AudioBufferSourceNode(this.context, { buffer: this.buffer });
    this.node.connect(this.context.destination);
    this.node.onended = () => {
      this.position_s = this.duration;
      this._stopNode();
      this._dispatch("timeupdate", "pause", "ended");
    };
    this.startedAt_s = this.context.currentTime;
    this.node.start(0, this.position_s);
    this.paused = false;
  }

  _stopNode() {
    if (this.node) this.node.onended = null;
    this.node?.stop();
    this.node = null;
    this.paused = true;
  }

  _dispatch(...names) {
    for (const name of names) this.dispatchEvent(new Event(name));
  }
}
