// Records from the browser's microphone, without the browser's speech processing, which removes frogs as noise.

const MAX_DURATION_S = 600;

export class Microphone {
  constructor(root) {
    this.module = `${root}/static/explore/microphone-worklet.js`;
    this.recording = false;
  }

  /** The reason why no microphone can be used, or null. */
  get unavailable() {
    if (navigator.mediaDevices?.getUserMedia) return null;
    return "A browser gives access to its microphone only to pages at this machine's own address, or over https.";
  }

  /** Start. `onProgress` is called with the recorded seconds and whether the limit is reached. Throws the browser's error. */
  async start(onProgress) {
    const unprocessed = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    this.stream = await navigator.mediaDevices.getUserMedia({ audio: unprocessed });
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule(this.module);
    this.node = new AudioWorkletNode(this.context, "microphone", { numberOfOutputs: 0 });
    this.parts = [];
    let count = 0;
    this.node.port.onmessage = ({ data }) => {
      this.parts.push(data);
      count += data.length;
      onProgress(count / this.context.sampleRate, count >= MAX_DURATION_S * this.context.sampleRate);
    };
    this.context.createMediaStreamSource(this.stream).connect(this.node);
    await this.context.resume();
    this.recording = true;
  }

  /** Stop. Return the recording as a WAV file. */
  async stop() {
    this.recording = false;
    this.node.port.onmessage = null;
    this.stream.getTracks().forEach((track) => track.stop());
    const rate = this.context.sampleRate;
    await this.context.close();
    return encodeWav(this.parts, rate);
  }
}

/** Return a WAV file with 16 bits and one channel. */
function encodeWav(parts, rate) {
  const count = parts.reduce((sum, part) => sum + part.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * count));
  const text = (offset, letters) => [...letters].forEach((letter, n) => view.setUint8(offset + n, letter.charCodeAt(0)));
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
  let offset = 44;
  for (const part of parts) {
    for (const sample of part) {
      view.setInt16(offset, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
      offset += 2;
    }
  }
  return new Blob([view], { type: "audio/wav" });
}
