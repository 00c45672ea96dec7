// The explorer: takes a recording, has it heard once, and shows what follows from that under the settings of the sliders.

import { findCalls, ranked } from "./calls.js";
import { clock } from "./clock.js";
import { Curves } from "./curves.js";
import { Refused, Server } from "./hear.js";
import { listCalls, listSpecies } from "./lists.js";
import { Microphone } from "./microphone.js";
import { Player } from "./player.js";
import { Spectrogram } from "./spectrogram.js";
import { Waveform } from "./waveform.js";

const GUTTER = 48;

const SETTLED_MS = 250; // a key that is held moves a slider many times, and each hearing takes its time

const at = (id) => document.getElementById(id);
const page = at("explorer");
const server = new Server(page.dataset.root, page.dataset.token);
const microphone = new Microphone(page.dataset.root);
const spectrogram = new Spectrogram(at("spectrogram"), GUTTER);
const curves = new Curves(at("curves"), GUTTER, playFrom, (begin, end) => shown?.waveform.look(begin, end));

/** What is on the page: {source, hearing, order, places, calls, player, waveform}; null before the first recording. */
let shown = null;
let about = null;
let asked = 0;
let settling = null;

// What the server is asked for.

async function hear(source, frames = {}) {
  const turn = ++asked;
  complain("");
  if (source.file && about && source.file.size > about.max_bytes) {
    complain(`${source.name} is larger than ${Math.round(about.max_bytes / 1e6)} MB; cut it, or save it as FLAC.`);
    return;
  }
  tell("Hearing …");
  try {
    const hearing = await server.hear(source, frames);
    if (turn !== asked) return; // something else was asked for meanwhile
    show(source, hearing, frames);
    tell("");
  } catch (error) {
    if (turn !== asked) return;
    tell("");
    if (!(error instanceof Refused)) throw error;
    complain(error.message);
  }
}

function framing() {
  return { window_s: at("window").value, hop_s: Math.min(at("hop").value, at("window").value) };
}

// What is shown of it.

function show(source, hearing, frames) {
  const isNew = shown?.source !== source;
  const place = isNew ? 0 : shown.player.currentTime;
  const view = isNew ? null : shown.waveform.view;
  shown?.player.close();
  shown?.waveform.close();
  curves.clear();
  const order = ranked(hearing);
  const places = order.reduce((all, { label }, number) => Object.assign(all, { [label]: number }), []);
  const player = new Player(hearing.arrays.audio, hearing.about.model.rate_hz);
  at("shown").hidden = false;
  shown = { source, hearing, order, places, player, calls: [] };
  shown.waveform = new Waveform(at("wave"), player, look);
  player.currentTime = place;
  for (const event of ["play", "pause", "seeking"]) player.addEventListener(event, follow);
  if (isNew) describe(hearing);
  if (Object.keys(frames).length === 0) offerFraming(hearing.about);
  settle();
  if (view) shown.waveform.wave.once("ready", () => shown.waveform.look(...view));
  follow();
}

function describe({ about: { name, start_utc, clock_source, rate_hz, samples, model, warnings, detect } }) {
  at("name").textContent = name;
  const when = `${start_utc.slice(0, 19).replace("T", " ")} UTC (clock: ${clock_source})`;
  const parts = [
    clock(samples / rate_hz), `${rate_hz.toLocaleString("en")} Hz`,
    ...(clock_source === "file" ? [] : [when]), // else the file's own time, which is often that of its copy
    `${model.title} ${model.version}`, ...warnings,
  ];
  at("facts").textContent = parts.join(" · ");
  at("gap").value = detect.merge_gap_s;
}

/** A window model can look through other windows; a stream model's steps are its own. */
function offerFraming({ model, own }) {
  const isWindow = model.kind === "window";
  for (const label of document.querySelectorAll(".framing")) label.hidden = !isWindow;
  if (!isWindow) return;
  const window_s = own.window_samples / model.rate_hz;
  Object.assign(at("window"), { min: Math.min(0.5, window_s), max: window_s, value: window_s });
  Object.assign(at("hop"), { min: 0.05, max: window_s, value: own.hop_samples / model.rate_hz });
}

function settings() {
  return { threshold: at("own").checked ? null : Number(at("threshold").value), gap_s: Number(at("gap").value) };
}

/** Show what follows from the settings. Nothing is asked for. */
function settle() {
  if (!shown) return;
  const { hearing, order, places } = shown;
  const { threshold, gap_s } = settings();
  const top = Math.min(Number(at("top").value), order.length);
  at("threshold-said").textContent = threshold === null ? "own" : threshold.toFixed(2);
  at("gap-said").textContent = `${gap_s.toFixed(1)} s`;
  at("top-said").textContent = top;
  at("window-said").textContent = `${Number(at("window").value).toFixed(2)} s`;
  at("hop-said").textContent = `${Math.min(at("hop").value, at("window").value).toFixed(2)} s`;
  shown.calls = findCalls(hearing, { threshold, gap_s });
  shown.waveform.mark(shown.calls, places, hearing.about.rate_hz);
  curves.show(hearing, order.slice(0, top), hearing.about.rules.map(({ on }) => threshold ?? on));
  listCalls(at("calls").tBodies[0], hearing.about, shown.calls, places);
  at("count").textContent = shown.calls.length === 1 ? "1 call" : `${shown.calls.length} calls`;
  listSpecies(at("legend"), hearing.about, order.slice(0, top));
  const own = threshold === null ? "" : `threshold: ${threshold}, `;
  at("settings").textContent = `detect: {${own}merge_gap_s: ${gap_s}}`;
}

/** Show another stretch of time. */
function look(begin, end) {
  if (!shown?.waveform) return;
  spectrogram.draw(shown.hearing, begin, end);
  curves.range(begin, end);
  at("zoom").value = shown.waveform.zoom;
  point();
}

// What is heard of it.

function playFrom(seconds) {
  shown.player.currentTime = seconds;
  shown.player.play();
}

function toggle() {
  if (shown.player.paused) shown.player.play();
  else shown.player.pause();
}

/** Keep the pictures with the sound, for as long as it plays. */
function follow() {
  const { player } = shown;
  const isPlaying = !player.paused;
  at("play").textContent = isPlaying ? "Pause" : "Play";
  at("play").setAttribute("aria-pressed", isPlaying);
  player.dispatchEvent(new Event("timeupdate"));
  point();
  if (isPlaying && !shown.frame) {
    shown.frame = requestAnimationFrame(() => {
      shown.frame = null;
      follow();
    });
  }
}

function point() {
  const { player, waveform } = shown;
  const [begin, end] = waveform.view;
  const share = (player.currentTime - begin) / Math.max(end - begin, 1e-9);
  at("position").textContent = `${clock(player.currentTime)} / ${clock(player.duration)}`;
  at("playhead").hidden = share < 0 || share > 1;
  at("playhead").style.left = `${GUTTER + share * (at("spectrogram").clientWidth - GUTTER)}px`;
  const now = player.currentTime * shown.hearing.about.rate_hz;
  for (const row of at("calls").tBodies[0].rows) {
    row.classList.toggle("now", !player.paused && row.dataset.onset <= now && now < row.dataset.offset);
  }
}

function playCall(step) {
  const { calls, player, hearing } = shown;
  const now = Math.round(player.currentTime * hearing.about.rate_hz);
  const next = step > 0 ? calls.find(({ onset }) => onset > now + 1) : calls.findLast(({ onset }) => onset < now - hearing.about.rate_hz / 2);
  if (next) playFrom(next.onset / hearing.about.rate_hz);
}

// What a person does.

function complain(text) {
  at("problem").textContent = text;
  at("problem").hidden = !text;
}

function tell(text) {
  at("told").textContent = text;
}

async function record() {
  const button = at("microphone");
  if (microphone.recording) {
    button.textContent = "Record";
    button.setAttribute("aria-pressed", false);
    const file = await microphone.stop();
    hear({ file, name: "microphone.wav" });
    return;
  }
  complain(microphone.missing ?? "");
  if (microphone.missing) return;
  try {
    await microphone.start((seconds, isEnough) => {
      if (microphone.recording) tell(`Recording: ${clock(seconds)}`);
      if (isEnough && microphone.recording) record();
    });
    button.textContent = "Stop and hear";
    button.setAttribute("aria-pressed", true);
  } catch (error) {
    complain(`The browser lends no microphone: ${error.message}`);
  }
}

const KEYS = {
  " ": toggle,
  ArrowLeft: (press) => (shown.player.currentTime -= press.shiftKey ? 10 : 1),
  ArrowRight: (press) => (shown.player.currentTime += press.shiftKey ? 10 : 1),
  n: () => playCall(1),
  p: () => playCall(-1),
  "+": () => (shown.waveform.zoom += 0.1),
  "-": () => (shown.waveform.zoom -= 0.1),
  0: () => (shown.waveform.zoom = 0),
};

document.addEventListener("keydown", (press) => {
  if (!shown || press.ctrlKey || press.metaKey || press.altKey) return;
  if (press.target.closest?.("input:not([type=range]), select")) return;
  if (press.target.closest?.("[type=range]") && press.key.startsWith("Arrow")) return; // it moves that
  if (press.key === " " && press.target.closest?.("button, a")) return; // it presses that
  const act = KEYS[press.key.length === 1 ? press.key.toLowerCase() : press.key];
  if (!act) return;
  press.preventDefault();
  act(press);
});

for (const id of ["threshold", "own", "gap", "top"]) {
  at(id).addEventListener("input", () => {
    if (id === "threshold") at("own").checked = false;
    settle();
  });
}
for (const id of ["window", "hop"]) {
  at(id).addEventListener("input", settle);
  at(id).addEventListener("change", () => {
    clearTimeout(settling);
    settling = setTimeout(() => hear(shown.source, framing()), SETTLED_MS);
  });
}
at("zoom").addEventListener("input", () => (shown.waveform.zoom = Number(at("zoom").value)));
at("play").addEventListener("click", toggle);
at("microphone").addEventListener("click", record);
at("recording").addEventListener("change", () => {
  if (at("recording").value) hear({ recording: at("recording").value });
});
at("file").addEventListener("change", () => {
  const [file] = at("file").files;
  if (file) hear({ file, name: file.name });
});
at("spectrogram").addEventListener("click", (click) => {
  const [begin, end] = shown.waveform.view;
  const share = (click.offsetX - GUTTER) / (at("spectrogram").clientWidth - GUTTER);
  if (share >= 0) playFrom(begin + share * (end - begin));
});
at("wave").addEventListener("click", () => shown?.player.play());
at("calls").addEventListener("click", (click) => {
  const row = click.target.closest("button")?.closest("tr");
  if (row) playFrom(row.dataset.onset / shown.hearing.about.rate_hz);
});
new ResizeObserver(() => {
  if (!shown?.waveform) return;
  curves.resize();
  look(...shown.waveform.view);
}).observe(at("curves"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  if (shown) show(shown.source, shown.hearing, { again: true }); // canvases keep the colours that they were drawn in
});

async function begin() {
  try {
    about = await server.about();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    complain(error.message);
    return;
  }
  const { recordings, begin, refusal } = about;
  complain(refusal ?? "");
  at("file").disabled = at("microphone").disabled = at("recording").disabled = refusal !== null;
  const wanted = new URLSearchParams(location.search).get("recording") ?? begin;
  const known = recordings.map(({ id, name }) => new Option(name, id, false, id === wanted));
  if (wanted === null) known.unshift(new Option("choose", "", true));
  else if (!recordings.some(({ id }) => id === wanted)) known.unshift(new Option(wanted, wanted, true));
  at("recording").replaceChildren(...known);
  at("listed").hidden = known.length === 1 && wanted === null;
  if (wanted !== null && refusal === null) await hear({ recording: wanted });
}

begin();
