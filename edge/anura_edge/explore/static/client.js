// Requests to the explorer's server. anura_edge/explore/analysis.py describes the binary format of an analysis.

const TYPES = { float32: Float32Array, int16: Int16Array, uint8: Uint8Array };

/** A refused or failed request; the message is the server's. */
export class RequestError extends Error {}

async function responseOf(request) {
  let response;
  try {
    response = await request;
  } catch {
    throw new RequestError("The server of this page does not answer. Check that it is still running.");
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new RequestError(problem.detail ?? `The server answered with status ${response.status}.`);
}

export class Client {
  constructor(root, token) {
    this.root = root;
    this.headers = token ? { "X-CSRF-Token": token } : {};
  }

  /**
   * Return {recordings: [{id, name}], begin, max_bytes, refusal}. `begin` is the id of the recording to show first, or
   * null. `refusal` is the reason why this user cannot analyse recordings, or null.
   */
  async about() {
    return (await responseOf(fetch(`${this.root}/explore/recordings`))).json();
  }

  /** Analyse {recording: id} or {file: Blob, name}, with {window_s, hop_s} if given. Return {about, arrays}. */
  async analyse(source, framing = {}) {
    const query = new URLSearchParams(framing);
    if (source.file) query.set("name", source.name);
    else query.set("recording", source.recording);
    const options = { method: "POST", headers: this.headers, body: source.file ?? null };
    const response = await responseOf(fetch(`${this.root}/explore/hear?${query}`, options));
    return unpack(await response.arrayBuffer());
  }
}

function unpack(bytes) {
  const length = new DataView(bytes).getUint32(0, true);
  const about = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  let offset = 4 + length;
  const arrays = {};
  for (const { name, type, shape } of about.arrays) {
    const count = shape.reduce((product, size) => product * size, 1);
    arrays[name] = new TYPES[type](bytes, offset, count);
    offset += Math.ceil(arrays[name].byteLength / 4) * 4;
  }
  return { about, arrays };
}
