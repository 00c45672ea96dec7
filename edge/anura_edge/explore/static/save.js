// Saves calls and audio as files, in the browser: nothing is sent.

/** Return a label track of Audacity: begin, end, and the label with its score. As anura_edge.results.formats.audacity. */
export function labelTrack({ rate_hz }, calls) {
  const seconds = (sample) => (sample / rate_hz).toFixed(6);
  return calls.map((call) => `${seconds(call.onset)}\t${seconds(call.offset)}\t${call.code} ${call.p_peak.toFixed(2)}\n`).join("");
}

/** Return a CSV table of calls, with BirdNET's columns first. */
export function callTable({ name, labels, rate_hz, start_utc, clock_source, model }, calls) {
  const columns = ["Start (s)", "End (s)", "Scientific name", "Common name", "Confidence", "File", "label", "level_dbfs", "start_utc", "model"];
  const first = Date.parse(start_utc);
  const hasTime = clock_source !== "unknown" && clock_source !== "file";
  const rows = calls.map((call) => [
    (call.onset / rate_hz).toFixed(3),
    (call.offset / rate_hz).toFixed(3),
    labels[call.label].scientific_name,
    labels[call.label].common_name || labels[call.label].scientific_name,
    call.p_peak.toFixed(4),
    name,
    call.code,
    call.level_dbfs.toFixed(1),
    hasTime ? new Date(first + (1000 * call.onset) / rate_hz).toISOString() : "",
    `${model.id} ${model.version}`,
  ]);
  return [columns, ...rows].map((cells) => cells.map(quoted).join(",") + "\r\n").join("");
}

/** Quote a cell where needed. A spreadsheet program must not run a text as a formula. */
function quoted(cell) {
  const text = /^[=+\-@\t\r]/.test(cell) && Number.isNaN(Number(cell)) ? `'${cell}` : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Return a WAV file of 16 bits with the samples, an Int16Array of one channel. */
export function wavFile(samples, rate) {
  const header = new DataView(new ArrayBuffer(44));
  const write = (offset, text) => [...text].forEach((letter, n) => header.setUint8(offset + n, letter.charCodeAt(0)));
  write(0, "RIFF");
  header.setUint32(4, 36 + 2 * samples.length, true);
  write(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true); // PCM
  header.setUint16(22, 1, true); // channels
  header.setUint32(24, rate, true);
  header.setUint32(28, 2 * rate, true);
  header.setUint16(32, 2, true);
  header.setUint16(34, 16, true);
  write(36, "data");
  header.setUint32(40, 2 * samples.length, true);
  const data = new DataView(new ArrayBuffer(2 * samples.length));
  samples.forEach((sample, n) => data.setInt16(2 * n, sample, true));
  return [header.buffer, data.buffer];
}

/** Give the browser a file to save. */
export function save(name, type, parts) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Return the name of a recording without its folder and its suffix. */
export function stem(name) {
  return name.split(/[/\\]/).at(-1).replace(/\.[^.]*$/, "") || "recording";
}
