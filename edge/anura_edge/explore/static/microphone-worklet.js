// Runs in the browser's audio thread. Posts the microphone's samples in blocks, about eight a second.

const SIZE = 4096;

class MicrophoneProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.part = new Float32Array(SIZE);
    this.filled = 0;
  }

  process([[channel]]) {
    if (!channel) return true;
    for (const sample of channel) {
      this.part[this.filled++] = sample;
      if (this.filled === SIZE) {
        this.port.postMessage(this.part.slice());
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("microphone", MicrophoneProcessor);
