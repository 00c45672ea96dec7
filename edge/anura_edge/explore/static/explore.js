// The explorer's page: sends a recording to be analysed once, then computes and shows the calls for the sliders' settings.

import { findCalls, rankLabels } from "./calls.js";
import { Client, RequestError } from "./client.js";
import { Curves } from "./curves.js";
import { speciesColour } from "./colours.js";
import { formatTime } from "./format.js";
import { listCalls, listSpecies } from "./lists.js";
import { Microphone } from "./microphone.js";
import { Player } from "./player.js";
import { describePlace, watchPointer } from "./pointer.js";
import { callTable, labelTrack, save, stem, wavFile } from "./save.js";
import { Spectrogram } from "./spectrogram.js";
import { Waveform } from "./waveform.js";

const GUTTER = 48;

const DEBOUNCE_MS = 250; // a held key moves a slider many times, and each analysis takes time

const byId = (id) => document.getElementById(id);
const page = byId("explorer");
const client = new Client(page.dataset.root, page.dataset.token);
const microphone = new Microphone(page.dataset.root);
const spectrogram = new Spectrogram(byId("spectrogram"), GUTTER);
const curves = new Curves(byId("curves"), GUTTER, playFrom, (begin, end) => shown?.waveform.setView(begin, end));

/** The page's state: {source, analysis, order, ranks, calls, player, waveform}; null before the first recording. */
let shown = null;
let about = null;
let requests = 0;
let debounce = null;

// Requests.

async function analyse(source, framing = {}) {
  const request = ++requests;
  showError("");
  if (source.file && about && source.file.size > about.max_bytes) {
    showError(`${source.name} is larger than ${Math.round(about.max_bytes / 1e6)} MB; cut it, or save it as FLAC.`);
    return;
  }
  showStatus("Analysing …");
  try {
    const analysis = await client.analyse(source, framing);
    if (request !== requests) return; // a newer request replaces this one
    show(source, analysis, framing);
    showStatus("");
  } catch (error) {
    if (request !== requests) return;
    showStatus("");
    if (!(error instanceof RequestError)) throw error;
    showError(error.message);
  }
}

function chosenFraming() {
  return { window_s: byId("window").value, hop_s: Math.min(byId("hop").value, byId("window").value) };
}

// Display.

function show(source, analysis, framing) {
  const isNew = shown?.source !== source;
  const position = isNew ? 0 : shown.player.currentTime;
  const view = isNew ? null : shown.waveform.view;
  shown?.player.close();
  shown?.waveform.close();
  curves.clear();
  const order = rankLabels(analysis);
  const ranks = order.reduce((all, { label }, number) => Object.assign(all, { [label]: number }), []);
  const player = new Player(analysis.arrays.audio, analysis.about.model.rate_hz);
  byId("result").hidden = false;
  byId("empty").hidden = true;
  shown = { source, analysis, order, ranks, player, calls: [] };
  shown.waveform = new Waveform(byId("wave"), player, showRange);
  player.currentTime = position;
  for (const event of ["play", "pause", "seeking"]) player.addEventListener(event, updatePlayback);
  if (isNew) describe(analysis);
  if (Object.keys(framing).length === 0) showFraming(analysis.about);
  update();
  if (view) shown.waveform.wave.once("ready", () => shown.waveform.setView(...view));
  updatePlayback();
}

function describe({ about: { name, start_utc, clock_source, rate_hz, samples, model, warnings, detect, bands_hz } }) {
  byId("name").textContent = name;
  const when = `${start_utc.slice(0, 19).replace("T", " ")} UTC (clock: ${clock_source})`;
  const parts = [
    formatTime(samples / rate_hz), `${rate_hz.toLocaleString("en")} Hz`,
    ...(clock_source === "file" ? [] : [when]), // a file's modification time is often the time of its copy
    `${model.title} ${model.version}`, ...warnings,
  ];
  byId("facts").textContent = parts.join(" · ");
  byId("gap").value = detect.merge_gap_s;
  for (const id of ["low", "high"]) byId(id).max = bands_hz.length - 1;
  byId("low").value = 0;
  byId("high").value = bands_hz.length - 1;
}

/** Show the sliders for window and hop; only a window model has them. */
function showFraming({ model, own }) {
  const isWindow = model.kind === "window";
  for (const label of document.querySelectorAll(".framing")) label.hidden = !isWindow;
  if (!isWindow) return;
  const window_s = own.window_samples / model.rate_hz;
  Object.assign(byId("window"), { min: Math.min(0.5, window_s), max: window_s, value: window_s });
  Object.assign(byId("hop"), { min: 0.05, max: window_s, value: own.hop_samples / model.rate_hz });
}

function settings() {
  return { threshold: byId("own").checked ? null : Number(byId("threshold").value), gap_s: Number(byId("gap").value) };
}

/** Compute and show the calls for the current settings. Sends no request. */
function update() {
  if (!shown) return;
  const { analysis, order, ranks } = shown;
  const { threshold, gap_s } = settings();
  const top = Math.min(Number(byId("top").value), order.length);
  byId("threshold-value").textContent = threshold === null ? "own" : threshold.toFixed(2);
  byId("gap-value").textContent = `${gap_s.toFixed(1)} s`;
  byId("top-value").textContent = top;
  byId("window-value").textContent = `${Number(byId("window").value).toFixed(2)} s`;
  byId("hop-value").textContent = `${Math.min(byId("hop").value, byId("window").value).toFixed(2)} s`;
  shown.calls = findCalls(analysis, { threshold, gap_s });
  shown.waveform.showRegions(shown.calls, ranks, analysis.about.rate_hz);
  curves.show(analysis, order.slice(0, top), analysis.about.rules.map(({ on }) => threshold ?? on));
  listCalls(byId("calls").tBodies[0], analysis.about, shown.calls, ranks);
  byId("count").textContent = shown.calls.length === 1 ? "1 call" : `${shown.calls.length} calls`;
  listSpecies(byId("legend"), analysis.about, order.slice(0, top));
  const own = threshold === null ? "" : `threshold: ${threshold}, `;
  byId("settings").textContent = `detect: {${own}merge_gap_s: ${gap_s}}`;
}

/** Show the time from `begin` to `end`, in seconds, in all panels. */
function showRange(begin, end) {
  if (!shown?.waveform) return;
  spectrogram.draw(shown.analysis, begin, end, spectrogramView());
  curves.range(begin, end);
  byId("zoom").value = shown.waveform.zoom;
  updatePlayhead();
}

/** Return the settings of the spectrogram, and show them. */
function spectrogramView() {
  const { analysis, calls, ranks } = shown;
  const { rate_hz, bands_hz } = analysis.about;
  const low = Math.min(Number(byId("low").value), bands_hz.length - 2);
  const high = Math.max(Number(byId("high").value), low + 1);
  byId("low-value").textContent = `${(bands_hz[low] / 1000).toFixed(1)} kHz`;
  byId("high-value").textContent = `${(bands_hz[high] / 1000).toFixed(1)} kHz`;
  const boxes = byId("boxes").checked
    ? calls.map(({ label, onset, offset }) => ({ begin: onset / rate_hz, end: offset / rate_hz, colour: speciesColour(ranks[label]) }))
    : [];
  return { floor: 255 * Number(byId("contrast").value), low, high, boxes };
}

/** Return the time at a distance from the left of the spectrogram, in seconds. */
function timeAt(x) {
  const [begin, end] = shown.waveform.view;
  return begin + Math.max(0, (x - GUTTER) / (byId("spectrogram").clientWidth - GUTTER)) * (end - begin);
}

// Playback.

function playFrom(seconds) {
  shown.player.currentTime = seconds;
  shown.player.play();
}

function togglePlayback() {
  if (shown.player.paused) shown.player.play();
  else shown.player.pause();
}

/** Update button, position and playhead; while the player plays, in every animation frame. */
function updatePlayback() {
  const { player } = shown;
  const isPlaying = !player.paused;
  byId("play").textContent = isPlaying ? "Pause" : "Play";
  byId("play").setAttribute("aria-pressed", isPlaying);
  player.dispatchEvent(new Event("timeupdate"));
  updatePlayhead();
  if (isPlaying && !shown.frame) {
    shown.frame = requestAnimationFrame(() => {
      shown.frame = null;
      updatePlayback();
    });
  }
}

function updatePlayhead() {
  const { player, waveform } = shown;
  const [begin, end] = waveform.view;
  const share = (player.currentTime - begin) / Math.max(end - begin, 1e-9);
  byId("position").textContent = `${formatTime(player.currentTime)} / ${formatTime(player.duration)}`;
  byId("playhead").hidden = share < 0 || share > 1;
  byId("playhead").style.left = `${GUTTER + share * (byId("spectrogram").clientWidth - GUTTER)}px`;
  const now = player.currentTime * shown.analysis.about.rate_hz;
  for (const row of byId("calls").tBodies[0].rows) {
    row.classList.toggle("now", !player.paused && row.dataset.onset <= now && now < row.dataset.offset);
  }
}

function playCall(step) {
  const { calls, player, analysis } = shown;
  const now = Math.round(player.currentTime * analysis.about.rate_hz);
  const next = step > 0 ? calls.find(({ onset }) => onset > now + 1) : calls.findLast(({ onset }) => onset < now - analysis.about.rate_hz / 2);
  if (next) playFrom(next.onset / analysis.about.rate_hz);
}

// Files.

function saveCalls(suffix, type, write) {
  const { analysis, calls } = shown;
  save(`${stem(analysis.about.name)}.${suffix}`, type, [write(analysis.about, calls)]);
}

/** Open the recording that is `count` places after this one in the list. */
function step(count) {
  const list = byId("recording");
  const at = list.selectedIndex + count;
  if (list.disabled || at < 0 || at >= list.options.length || !list.options[at].value) return;
  list.selectedIndex = at;
  analyse({ recording: list.value });
}

// Controls.

function showError(text) {
  byId("problem").textContent = text;
  byId("problem").hidden = !text;
}

function showStatus(text) {
  byId("status").textContent = text;
}

async function toggleRecording() {
  const button = byId("microphone");
  if (microphone.recording) {
    button.textContent = "Record";
    button.setAttribute("aria-pressed", false);
    const file = await microphone.stop();
    analyse({ file, name: "microphone.wav" });
    return;
  }
  showError(microphone.unavailable ?? "");
  if (microphone.unavailable) return;
  try {
    await microphone.start((seconds, isFull) => {
      if (microphone.recording) showStatus(`Recording: ${formatTime(seconds)}`);
      if (isFull && microphone.recording) toggleRecording();
    });
    button.textContent = "Stop and analyse";
    button.setAttribute("aria-pressed", true);
  } catch (error) {
    showError(`The browser gives no access to a microphone: ${error.message}`);
  }
}

const KEYS = {
  " ": togglePlayback,
  ArrowLeft: (event) => (shown.player.currentTime -= event.shiftKey ? 10 : 1),
  ArrowRight: (event) => (shown.player.currentTime += event.shiftKey ? 10 : 1),
  n: () => playCall(1),
  p: () => playCall(-1),
  "+": () => (shown.waveform.zoom += 0.1),
  "-": () => (shown.waveform.zoom -= 0.1),
  0: () => (shown.waveform.zoom = 0),
  ",": () => step(-1),
  ".": () => step(1),
};

document.addEventListener("keydown", (event) => {
  if (!shown || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.("input:not([type=range]), select")) return;
  if (event.target.closest?.("[type=range]") && event.key.startsWith("Arrow")) return; // the key moves the slider
  if (event.key === " " && event.target.closest?.("button, a")) return; // the key activates the button
  const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action) return;
  event.preventDefault();
  action(event);
});

for (const id of ["threshold", "own", "gap", "top"]) {
  byId(id).addEventListener("input", () => {
    if (id === "threshold") byId("own").checked = false;
    update();
  });
}
for (const id of ["window", "hop"]) {
  byId(id).addEventListener("input", update);
  byId(id).addEventListener("change", () => {
    clearTimeout(debounce);
    debounce = setTimeout(() => analyse(shown.source, chosenFraming()), DEBOUNCE_MS);
  });
}
byId("zoom").addEventListener("input", () => (shown.waveform.zoom = Number(byId("zoom").value)));
byId("play").addEventListener("click", togglePlayback);
byId("microphone").addEventListener("click", toggleRecording);
byId("recording").addEventListener("change", () => {
  if (byId("recording").value) analyse({ recording: byId("recording").value });
});
byId("file").addEventListener("change", () => {
  const [file] = byId("file").files;
  if (file) analyse({ file, name: file.name });
});
watchPointer(byId("spectrogram"), byId("selection"), {
  onMove: (x, y) => (byId("place").textContent = describePlace(shown.analysis, shown.order, timeAt(x), spectrogram.frequencyAt(y))),
  onLeave: () => (byId("place").textContent = "\u00a0"),
  onClick: (x) => x >= GUTTER && playFrom(timeAt(x)),
  onSelect: (from, to) => shown.waveform.setView(timeAt(from), timeAt(to)),
});
byId("curves").addEventListener("pointermove", (event) => {
  const x = event.clientX - byId("spectrogram").getBoundingClientRect().left;
  if (shown) byId("place").textContent = describePlace(shown.analysis, shown.order, timeAt(x), null);
});
for (const id of ["contrast", "low", "high", "boxes"]) byId(id).addEventListener("input", () => showRange(...shown.waveform.view));
byId("save-labels").addEventListener("click", () => saveCalls("txt", "text/plain", labelTrack));
byId("save-table").addEventListener("click", () => saveCalls("csv", "text/csv", callTable));
byId("save-clip").addEventListener("click", () => {
  const { player, waveform, analysis } = shown;
  const [first, last] = waveform.view.map((seconds) => Math.round(seconds * player.rate));
  const name = `${stem(analysis.about.name)}_${formatTime(first / player.rate).replace(":", "m")}s.wav`;
  save(name, "audio/wav", wavFile(player.audio.slice(first, last), player.rate));
});
byId("previous").addEventListener("click", () => step(-1));
byId("next").addEventListener("click", () => step(1));
byId("example").addEventListener("click", () => analyse({ recording: about.example }));
page.addEventListener("dragover", (event) => {
  event.preventDefault();
  page.classList.add("dropping");
});
page.addEventListener("dragleave", () => page.classList.remove("dropping"));
page.addEventListener("drop", (event) => {
  event.preventDefault();
  page.classList.remove("dropping");
  const [file] = event.dataTransfer.files;
  if (file && !byId("file").disabled) analyse({ file, name: file.name });
});
byId("wave").addEventListener("click", () => shown?.player.play());
byId("calls").addEventListener("click", (click) => {
  const row = click.target.closest("button")?.closest("tr");
  if (row) playFrom(row.dataset.onset / shown.analysis.about.rate_hz);
});
new ResizeObserver(() => {
  if (!shown?.waveform) return;
  curves.resize();
  showRange(...shown.waveform.view);
}).observe(byId("curves"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  if (shown) show(shown.source, shown.analysis, chosenFraming()); // redraw the canvases in the new colours
});

async function start() {
  try {
    about = await client.about();
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    showError(error.message);
    return;
  }
  const { recordings, begin, refusal } = about;
  showError(refusal ?? "");
  byId("file").disabled = byId("microphone").disabled = byId("recording").disabled = refusal !== null;
  const selected = new URLSearchParams(location.search).get("recording") ?? begin;
  const options = recordings.map(({ id, name }) => new Option(name, id, false, id === selected));
  if (selected === null) options.unshift(new Option("choose", "", true));
  else if (!recordings.some(({ id }) => id === selected)) options.unshift(new Option(selected, selected, true));
  byId("recording").replaceChildren(...options);
  byId("listed").hidden = options.length === 1 && selected === null;
  byId("steps").hidden = recordings.length < 2;
  byId("empty").hidden = selected !== null || refusal !== null;
  byId("example").hidden = !about.example;
  if (selected !== null && refusal === null) await analyse({ recording: selected });
}

start();
