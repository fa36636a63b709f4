// The audio player: a waveform that marks the part that was found, and a play button.

import { fill, h, icon } from "./dom.js";
import { formatClock } from "./format.js";

const BARS = 96;
const MAX_BYTES = 12_000_000;
const STEP_SECONDS = 2;

let playing = null;

const visibility = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    visibility.unobserve(target);
    target.dispatchEvent(new Event("visible"));
  }
});

/** Creates a player of the audio at `url`, or of a `file`; it starts at `start` and marks the part up to `end`. */
export function createPlayer(url, { start = 0, end = null, name = "sound", file = null } = {}) {
  const audio = new Audio();
  const button = h("button.play", { type: "button", "aria-label": `Play ${name}`, onclick: toggle }, icon("play"));
  const wave = h("canvas.wave", {
    role: "slider",
    tabindex: "0",
    "aria-label": `Position in ${name}`,
    "aria-valuemin": "0",
  });
  const time = h("span.time");
  const element = h("div.player", button, wave, time);
  let peaks = null;
  let hasSeeked = false;

  audio.preload = "metadata";
  audio.addEventListener("loadedmetadata", () => {
    audio.currentTime = Math.min(start, audio.duration || start);
    draw();
  });
  for (const name of ["play", "pause", "ended"]) audio.addEventListener(name, updateButton);
  for (const name of ["timeupdate", "seeked"]) audio.addEventListener(name, draw);
  audio.addEventListener("error", () => fill(time, "cannot be played"));
  element.addEventListener("visible", load, { once: true });
  wave.addEventListener("pointerdown", (event) => seek((event.offsetX / wave.clientWidth) * audio.duration));
  wave.addEventListener("keydown", onKey);
  const redraw = () => (element.isConnected ? draw() : window.removeEventListener("themed", redraw));
  window.addEventListener("themed", redraw);
  new ResizeObserver(draw).observe(wave);
  visibility.observe(element);
  draw();

  async function load() {
    audio.src = url;
    peaks = await readPeaks(file, url).catch(() => null);
    draw();
  }

  function toggle() {
    if (!audio.src) audio.src = url;
    if (!audio.paused) return audio.pause();
    if (playing && playing !== audio) playing.pause();
    playing = audio;
    if (!hasSeeked && audio.ended) audio.currentTime = start;
    return audio.play().catch(() => fill(time, "cannot be played"));
  }

  function updateButton() {
    fill(button, icon(audio.paused ? "play" : "pause"));
    button.setAttribute("aria-label", `${audio.paused ? "Play" : "Pause"} ${name}`);
    draw();
    if (!audio.paused) requestAnimationFrame(animate);
  }

  function animate() {
    if (!element.isConnected) return audio.pause();
    draw();
    return audio.paused ? null : requestAnimationFrame(animate);
  }

  function seek(seconds) {
    if (!Number.isFinite(seconds)) return;
    hasSeeked = true;
    audio.currentTime = Math.max(0, Math.min(seconds, audio.duration));
  }

  function onKey(event) {
    const by = { ArrowLeft: -STEP_SECONDS, ArrowDown: -STEP_SECONDS, ArrowRight: STEP_SECONDS, ArrowUp: STEP_SECONDS }[
      event.key
    ];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    seek(audio.currentTime + by);
  }

  function draw() {
    const length = audio.duration;
    time.textContent = Number.isFinite(length)
      ? `${formatClock(audio.currentTime)} / ${formatClock(length)}`
      : formatClock(start);
    wave.setAttribute("aria-valuemax", Math.floor(length) || 0);
    wave.setAttribute("aria-valuenow", Math.floor(audio.currentTime));
    wave.setAttribute("aria-valuetext", formatClock(audio.currentTime));
    paintWave(wave, peaks, { played: audio.currentTime / length || 0, from: start / length, to: end / length });
  }

  return element;
}

/** Paints the waveform as bars; the played part and the part that was found have the accent color. */
function paintWave(canvas, peaks, { played, from, to }) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width) return;
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const style = getComputedStyle(canvas);
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  const bars = Math.max(8, Math.min(BARS, Math.floor(width / 4)));
  if (to > from && to - from < 0.98) {
    context.fillStyle = style.getPropertyValue("--found");
    context.beginPath();
    context.roundRect(from * width, 0, (to - from) * width, height, 5);
    context.fill();
  }
  for (let bar = 0; bar < bars; bar += 1) {
    const peak = peaks ? maxPeak(peaks, bar / bars, (bar + 1) / bars) : 0;
    const size = Math.max(2, peak * (height - 6));
    context.fillStyle = style.getPropertyValue((bar + 0.5) / bars < played ? "--played" : "--unplayed");
    context.beginPath();
    context.roundRect((bar * width) / bars, (height - size) / 2, Math.max(1.5, width / bars - 1.5), size, 1.5);
    context.fill();
  }
}

function maxPeak(peaks, from, to) {
  let max = 0;
  const last = Math.max(Math.ceil(to * peaks.length), Math.floor(from * peaks.length) + 1);
  for (let index = Math.floor(from * peaks.length); index < last; index += 1) max = Math.max(max, peaks[index] ?? 0);
  return max;
}

/** Returns the peaks of equal parts of the audio, 0 to 1; null if it is too large to be decoded for that. */
async function readPeaks(file, url) {
  const bytes = file ? await readFile(file) : await download(url);
  if (bytes === null) return null;
  const samples = (await new OfflineAudioContext(1, 1, 22_050).decodeAudioData(bytes)).getChannelData(0);
  const peaks = new Float32Array(BARS * 4);
  const samplesPerPart = samples.length / peaks.length;
  for (let part = 0; part < peaks.length; part += 1) {
    const last = Math.min(samples.length, (part + 1) * samplesPerPart);
    for (let index = Math.floor(part * samplesPerPart); index < last; index += 1) {
      peaks[part] = Math.max(peaks[part], Math.abs(samples[index]));
    }
  }
  const max = Math.max(1e-6, ...peaks);
  return peaks.map((peak) => peak / max);
}

const readFile = (file) => (file.size > MAX_BYTES ? null : file.arrayBuffer());

async function download(url) {
  const response = await fetch(url);
  if (Number(response.headers.get("Content-Length")) <= MAX_BYTES) return response.arrayBuffer();
  await response.body.cancel();
  return null;
}
