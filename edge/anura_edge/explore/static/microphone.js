// Records from the browser's microphone: samples as they come, without what browsers do to make speech clearer, which
// takes a frog for noise.

const MOST_S = 600;

export class Microphone {
  constructor(root) {
    this.module = `${root}/static/explore/microphone-worklet.js`;
    this.recording = false;
  }

  /** Why there is none, in words; null where there may be one. */
  get missing() {
    if (navigator.mediaDevices?.getUserMedia) return null;
    return "Browsers lend their microphone only to pages at this machine's own address, or over https.";
  }

  /** Begin; `tick` is called with the seconds so far. Throws what the browser says when it may not. */
  async start(tick) {
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    this.stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule(this.module);
    this.node = new AudioWorkletNode(this.context, "microphone", { numberOfOutputs: 0 });
    this.parts = [];
    let count = 0;
    this.node.port.onmessage = ({ data }) => {
      this.parts.push(data);
      count += data.length;
      tick(count / this.context.sampleRate, count >= MOST_S * this.context.sampleRate);
    };
    this.context.createMediaStreamSource(this.stream).connect(this.node);
    await this.context.resume();
    this.recording = true;
  }

  /** End; return what was recorded as a WAV file. */
  async stop() {
    this.recording = false;
    this.node.port.onmessage = null;
    this.stream.getTracks().forEach((each) => each.stop());
    const rate = this.context.sampleRate;
    await this.context.close();
    return wave(this.parts, rate);
  }
}

/** Return a WAV of 16 bits, one channel. */
function wave(parts, rate) {
  const count = parts.reduce((sum, part) => sum + part.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * count));
  const text = (at, letters) => [...letters].forEach((letter, n) => view.setUint8(at + n, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * count, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * count, true);
  let at = 44;
  for (const part of parts) {
    for (const sample of part) {
      view.setInt16(at, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
      at += 2;
    }
  }
  return new Blob([view], { type: "audio/wav" });
}
