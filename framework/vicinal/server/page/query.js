// What is searched for: a text, a SMILES drawn as it is typed, a file, or an item that is indexed.

import * as api from "/page/api.js";
import { debounced, fill, h, icon, iconButton, uniqueId } from "/page/dom.js";
import { sentence } from "/page/dialogs.js";
import { drawing, ink } from "/page/drawing.js";
import { bytes } from "/page/format.js";
import { player } from "/page/player.js";

const DRAW_AFTER_MS = 250;
const WORDS = { image: "a picture", audio: "a sound", video: "a video" };
const ICONS = { image: "image", audio: "audio", video: "video" };

const uploads = new Map();

/** Keeps a file while the page is open; the address holds its id. */
export function keepUpload(file) {
  const id = uniqueId("file");
  uploads.set(id, file);
  return id;
}

/** The file with this id; undefined after the page was loaded anew. */
export const upload = (id) => uploads.get(id);

/** The box to ask with. `onText` is given what was typed, `onFile` a file; `onClear` means that both are taken back. */
export function queryBox(solution, { onText, onFile, onClear }) {
  const { query } = solution;
  const id = uniqueId("query");
  const problem = h("p.problem", { role: "alert", id: `${id}-problem` });
  const subject = h("div.subject", { hidden: true });
  const sketch = h("div.sketch", { hidden: true });
  const field = h("input.query", {
    type: "text",
    id,
    enterkeyhint: "search",
    autocomplete: "off",
    autocapitalize: query.kind === "smiles" ? "off" : "sentences",
    spellcheck: query.kind === "smiles" ? "false" : "true",
    "aria-label": query.placeholder,
    "aria-describedby": problem.id,
    placeholder: query.placeholder,
    oninput: typed,
  });
  const erase = iconButton("close", "Clear the search", cleared, { hidden: true });
  const chooser = h("input.hidden", {
    type: "file",
    accept: query.accept.join(","),
    tabindex: "-1",
    "aria-label": "File to search with",
    onchange: chosen,
  });
  const choose = () => chooser.click();
  const parts = query.text ? textLine() : query.file ? dropZone() : itemsOnly();
  const element = h("form.ask", { role: "search", onsubmit: submitted }, parts, subject, problem, chooser);
  const drawLater = debounced(drawNow, DRAW_AFTER_MS);
  let running = null;
  let release = () => {};

  function textLine() {
    return h(
      "div.line",
      icon(query.kind === "smiles" ? "smiles" : "search"),
      field,
      erase,
      query.file && iconButton("upload", `Search with ${files()}`, choose),
      h("button.primary", { type: "submit" }, h("span", "Search"), icon("search")),
    );
  }

  function dropZone() {
    const kind = ICONS[query.kind] ?? "upload";
    return h(
      "div.zone",
      icon(kind),
      h("p", h("b", `Drop ${files()} here`), h("span.quiet", " or paste it")),
      h("button.primary", { type: "button", onclick: choose }, icon("upload"), h("span", "Choose a file")),
    );
  }

  function itemsOnly() {
    return h(
      "div.zone",
      icon("near"),
      h("p", h("b", "Pick one of the items below"), h("span.quiet", " to find what is near it")),
    );
  }

  function files() {
    return query.kinds
      .filter((kind) => WORDS[kind])
      .map((kind) => WORDS[kind])
      .join(" or ");
  }

  function submitted(event) {
    event.preventDefault();
    if (field.value.trim()) onText(field.value.trim());
    else field.focus();
  }

  function typed() {
    erase.hidden = !field.value;
    fail("");
    if (query.kind === "smiles") drawLater();
  }

  function cleared() {
    field.value = "";
    typed();
    hideSketch();
    onClear();
    field.focus();
  }

  function chosen() {
    if (chooser.files.length) onFile(chooser.files[0]);
    chooser.value = "";
  }

  // --- the molecule that is being typed

  async function drawNow() {
    const text = field.value.trim();
    running?.abort();
    if (!text || text.startsWith("@")) return hideSketch();
    running = new AbortController();
    try {
      const drawn = await api.draw(solution.name, text, ink(), running.signal);
      showSketch(drawn);
    } catch (error) {
      if (error.name === "AbortError") return null;
      sketch.classList.add("stale");
      if (error.status === 422) fail(error.about("query") || error.message, "", true);
    }
    return null;
  }

  function showSketch(drawn) {
    const url = URL.createObjectURL(drawn);
    const picture = h("img.drawn", {
      src: url,
      alt: "The molecule as it is read",
      onload: () => URL.revokeObjectURL(url),
    });
    fill(sketch, picture);
    sketch.hidden = false;
    sketch.classList.remove("stale");
    fail("");
  }

  function hideSketch() {
    drawLater.cancel();
    sketch.hidden = true;
  }

  // --- the file or item that was chosen

  function showSubject(about, media, label, note) {
    release();
    release = () => {};
    const back = () => {
      fail("");
      onClear();
    };
    fill(
      subject,
      media && h("div.thumb", media),
      h("div.what", h("span.quiet", about), h("b", { title: label }, label), note && h("span.quiet", note)),
      iconButton("close", "Clear the search", back),
    );
    subject.hidden = false;
    element.classList.add("chosen");
  }

  function showFile(file) {
    const url = URL.createObjectURL(file);
    const kind = file.type.split("/")[0];
    showSubject("Near this file", preview(kind, url, file.name, file), file.name, bytes(file.size));
    release = () => URL.revokeObjectURL(url);
  }

  async function showItem(key) {
    showSubject("More like", null, key);
    const item = await api.item(solution.name, key).catch(() => null);
    if (!item || subject.hidden || shown !== `@${key}`) return;
    showSubject(
      "More like",
      preview(item.kind, item.content_url, key),
      item.kind === "text" && item.content ? item.content : key,
    );
  }

  function hideSubject() {
    release();
    release = () => {};
    subject.hidden = true;
    element.classList.remove("chosen");
  }

  function fail(message, hint = "", gently = false) {
    fill(problem, sentence(message), message && hint && h("span.hint", ` ${hint}`));
    problem.classList.toggle("gentle", gently);
    field.toggleAttribute("aria-invalid", Boolean(message) && !gently);
  }

  let shown = null;

  const themed = () => {
    if (!element.isConnected) window.removeEventListener("themed", themed);
    else if (!sketch.hidden) drawNow();
  };
  window.addEventListener("themed", themed);

  return {
    element,
    sketch,
    fail,
    focus: () => (query.text ? field : element.querySelector("button"))?.focus(),
    /** Shows what the address asks for. */
    show(route) {
      const wanted = route.upload || route.q;
      if (wanted === shown) return;
      shown = wanted;
      const isItem = route.q.startsWith("@") && !route.upload;
      field.value = isItem || route.upload ? "" : route.q;
      typed();
      if (!field.value) hideSketch();
      if (isItem) showItem(route.q.slice(1));
      else if (upload(route.upload)) showFile(upload(route.upload));
      else hideSubject();
    },
  };
}

/** A file or an item, small. */
function preview(kind, url, name, file) {
  if (kind === "image") return h("img", { src: url, alt: "" });
  if (kind === "svg") return drawing(url, "");
  if (kind === "audio") return player(url, { name, file });
  if (kind !== "video") return null;
  const video = h("video", { src: url, controls: true, preload: "metadata", playsinline: true });
  video.muted = true;
  return video;
}

/** Lets files be dropped anywhere on the page, and pasted; returns a function that ends it. */
export function takeFiles(onFile) {
  const veil = h("div.veil", { hidden: true }, h("div", icon("upload"), h("b", "Drop to search with it")));
  const stop = new AbortController();
  const on = (name, work) => document.addEventListener(name, work, { signal: stop.signal });
  const hasFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  let depth = 0;
  const over = (change) => {
    depth = Math.max(0, depth + change);
    veil.hidden = depth === 0;
  };
  on("dragenter", (event) => hasFile(event) && over(1));
  on("dragleave", (event) => hasFile(event) && over(-1));
  on("dragover", (event) => hasFile(event) && event.preventDefault());
  on("drop", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    over(-depth);
    if (event.dataTransfer.files.length) onFile(event.dataTransfer.files[0]);
  });
  on("paste", (event) => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    onFile(event.clipboardData.files[0]);
  });
  document.body.append(veil);
  return () => {
    stop.abort();
    veil.remove();
  };
}
