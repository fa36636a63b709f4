// A sound: its wave, where the found part lies in it, and one button.

import { fill, h, icon } from "/page/dom.js";
import { clock } from "/page/format.js";

const BARS = 96;
const MOST_BYTES = 12_000_000;
const STEP_SECONDS = 2;

let playing = null;

const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    target.dispatchEvent(new Event("seen"));
  }
});

/** A player of the sound at `url`, which may be that of a `file`; it starts at `start`, and marks the part to `end`. */
export function player(url, { start = 0, end = null, name = "sound", file = null } = {}) {
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
  let moved = false;

  audio.preload = "metadata";
  audio.addEventListener("loadedmetadata", () => {
    audio.currentTime = Math.min(start, audio.duration || start);
    draw();
  });
  for (const name of ["play", "pause", "ended"]) audio.addEventListener(name, shown);
  for (const name of ["timeupdate", "seeked"]) audio.addEventListener(name, draw);
  audio.addEventListener("error", () => fill(time, "cannot be played"));
  element.addEventListener("seen", load, { once: true });
  wave.addEventListener("pointerdown", (event) => seek((event.offsetX / wave.clientWidth) * audio.duration));
  wave.addEventListener("keydown", onKey);
  const redraw = () => (element.isConnected ? draw() : window.removeEventListener("themed", redraw));
  window.addEventListener("themed", redraw);
  new ResizeObserver(draw).observe(wave);
  seen.observe(element);
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
    if (!moved && audio.ended) audio.currentTime = start;
    return audio.play().catch(() => fill(time, "cannot be played"));
  }

  function shown() {
    fill(button, icon(audio.paused ? "play" : "pause"));
    button.setAttribute("aria-label", `${audio.paused ? "Play" : "Pause"} ${name}`);
    draw();
    if (!audio.paused) requestAnimationFrame(follow);
  }

  function follow() {
    if (!element.isConnected) return audio.pause();
    draw();
    return audio.paused ? null : requestAnimationFrame(follow);
  }

  function seek(seconds) {
    if (!Number.isFinite(seconds)) return;
    moved = true;
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
    time.textContent = Number.isFinite(length) ? `${clock(audio.currentTime)} / ${clock(length)}` : clock(start);
    wave.setAttribute("aria-valuemax", Math.floor(length) || 0);
    wave.setAttribute("aria-valuenow", Math.floor(audio.currentTime));
    wave.setAttribute("aria-valuetext", clock(audio.currentTime));
    paint(wave, peaks, { at: audio.currentTime / length || 0, from: start / length, to: end / length });
  }

  return element;
}

/** Bars of the wave; what has been played, and the part that was found, in the accent's colour. */
function paint(canvas, peaks, { at, from, to }) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width) return;
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const style = getComputedStyle(canvas);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const bars = Math.max(8, Math.min(BARS, Math.floor(width / 4)));
  if (to > from && to - from < 0.98) {
    pen.fillStyle = style.getPropertyValue("--found");
    pen.beginPath();
    pen.roundRect(from * width, 0, (to - from) * width, height, 5);
    pen.fill();
  }
  for (let bar = 0; bar < bars; bar += 1) {
    const peak = peaks ? loudest(peaks, bar / bars, (bar + 1) / bars) : 0;
    const size = Math.max(2, peak * (height - 6));
    pen.fillStyle = style.getPropertyValue((bar + 0.5) / bars < at ? "--played" : "--unplayed");
    pen.beginPath();
    pen.roundRect((bar * width) / bars, (height - size) / 2, Math.max(1.5, width / bars - 1.5), size, 1.5);
    pen.fill();
  }
}

function loudest(peaks, from, to) {
  let most = 0;
  const last = Math.max(Math.ceil(to * peaks.length), Math.floor(from * peaks.length) + 1);
  for (let at = Math.floor(from * peaks.length); at < last; at += 1) most = Math.max(most, peaks[at] ?? 0);
  return most;
}

/** The loudest samples of equal parts of a sound, 0 to 1; null where it is too large to be read for that. */
async function readPeaks(file, url) {
  const bytes = file ? await bytesOf(file) : await fetched(url);
  if (bytes === null) return null;
  const samples = (await new OfflineAudioContext(1, 1, 22_050).decodeAudioData(bytes)).getChannelData(0);
  const peaks = new Float32Array(BARS * 4);
  const each = samples.length / peaks.length;
  for (let part = 0; part < peaks.length; part += 1) {
    const last = Math.min(samples.length, (part + 1) * each);
    for (let at = Math.floor(part * each); at < last; at += 1) {
      peaks[part] = Math.max(peaks[part], Math.abs(samples[at]));
    }
  }
  const most = Math.max(1e-6, ...peaks);
  return peaks.map((peak) => peak / most);
}

const bytesOf = (file) => (file.size > MOST_BYTES ? null : file.arrayBuffer());

async function fetched(url) {
  const response = await fetch(url);
  if (Number(response.headers.get("Content-Length")) <= MOST_BYTES) return response.arrayBuffer();
  await response.body.cancel();
  return null;
}
