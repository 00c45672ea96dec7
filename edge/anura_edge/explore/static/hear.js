// Asks the server to hear a recording. What comes back is described in anura_edge/explore/hearing.py.

const TYPES = { float32: Float32Array, int16: Int16Array, uint8: Uint8Array };

/** What the server said that it cannot do, in its words. */
export class Refused extends Error {}

async function answerOf(request) {
  let response;
  try {
    response = await request;
  } catch {
    throw new Refused("The program that serves this page does not answer; is it still running?");
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  throw new Refused(said.detail ?? `The answer was ${response.status}.`);
}

export class Server {
  constructor(root, token) {
    this.root = root;
    this.headers = token ? { "X-CSRF-Token": token } : {};
  }

  /**
   * Return {recordings: [{id, name}], begin, max_bytes, refusal}. `begin` is the id of the one to begin with, or null; a
   * refusal says why nothing can be heard, else it is null.
   */
  async about() {
    return (await answerOf(fetch(`${this.root}/explore/recordings`))).json();
  }

  /** Hear {recording: id} or {file: Blob, name}, with {window_s, hop_s} if given; return {about, arrays}. */
  async hear(source, frames = {}) {
    const asked = new URLSearchParams(frames);
    if (source.file) asked.set("name", source.name);
    else asked.set("recording", source.recording);
    const options = { method: "POST", headers: this.headers, body: source.file ?? null };
    const response = await answerOf(fetch(`${this.root}/explore/hear?${asked}`, options));
    return unpack(await response.arrayBuffer());
  }
}

function unpack(bytes) {
  const length = new DataView(bytes).getUint32(0, true);
  const about = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  let at = 4 + length;
  const arrays = {};
  for (const { name, type, shape } of about.arrays) {
    const count = shape.reduce((product, size) => product * size, 1);
    arrays[name] = new TYPES[type](bytes, at, count);
    at += Math.ceil(arrays[name].byteLength / 4) * 4;
  }
  return { about, arrays };
}
