// The query box: something typed, drawn as it is typed where it renders as a drawing, a file, or an indexed item.

import * as api from "./api.js";
import { debounce, fill, h, icon, iconButton, markInvalid, uniqueId } from "./dom.js";
import { renderProblem } from "./dialogs.js";
import { inkColor, svgImage } from "./drawing.js";
import { formatBytes } from "./format.js";
import { formatName } from "./parts.js";
import { createPlayer } from "./player.js";
import { attachSuggestions } from "./suggestions.js";

const RENDER_DEBOUNCE_MS = 250;
const FILE_ICONS = ["image", "audio", "video"];

const uploads = new Map();

/** Keeps a file while the page is open; the route holds its id. */
export function storeUpload(file) {
  const id = uniqueId("file");
  uploads.set(id, file);
  return id;
}

/** Returns the file with this id; undefined after the page was reloaded. */
export const getUpload = (id) => uploads.get(id);

/** Creates the query box. `onText` receives the typed text, `onFile` a file; `onClear` is called when it is cleared. */
export function createQueryBox(solution, { onText, onFile, onClear }) {
  const { query } = solution;
  const typed = query.modalities.find(({ input }) => input === "text");
  const isProse = typed?.renders === "text" && !query.suggests;
  const id = uniqueId("query");
  const problem = h("p.problem", { role: "alert", id: `${id}-problem` });
  const subject = h("div.subject", { hidden: true });
  const sketch = h("div.sketch", { hidden: true });
  const field = h("input.query", {
    type: "text",
    id,
    enterkeyhint: "search",
    autocomplete: "off",
    autocapitalize: isProse ? "sentences" : "off",
    spellcheck: String(isProse),
    "aria-label": query.placeholder,
    "aria-describedby": problem.id,
    placeholder: query.placeholder,
    oninput: onInput,
  });
  const clearButton = iconButton("close", "Clear the search", clear, { hidden: true });
  const chooser = h("input.hidden", {
    type: "file",
    accept: query.accept.join(","),
    tabindex: "-1",
    "aria-label": "File to search with",
    onchange: onFileChosen,
  });
  const chooseFile = () => chooser.click();
  const input = query.text ? createTextInput() : query.file ? createDropZone() : createItemsHint();
  const element = h("form.query-form", { role: "search", onsubmit: onSubmit }, input, subject, problem, chooser);
  const renderSketchSoon = debounce(renderSketch, RENDER_DEBOUNCE_MS);
  let request = null;
  let release = () => {};

  function createTextInput() {
    return h(
      "div.line",
      icon(typed.renders === "svg" ? "svg" : "search"),
      field,
      attachSuggestions(field, solution),
      clearButton,
      query.file && iconButton("upload", `Search with ${describeFiles()}`, chooseFile),
      h("button.primary", { type: "submit" }, h("span", "Search"), icon("search")),
    );
  }

  function createDropZone() {
    const kind = FILE_ICONS.includes(query.renders) ? query.renders : "upload";
    return h(
      "div.zone",
      icon(kind),
      h("p", h("b", `Drop ${describeFiles()} here`), h("span.quiet", " or paste it")),
      h("button.primary", { type: "button", onclick: chooseFile }, icon("upload"), h("span", "Choose a file")),
    );
  }

  function createItemsHint() {
    return h(
      "div.zone",
      icon("near"),
      h("p", h("b", "Pick one of the items below"), h("span.quiet", " to find similar ones")),
    );
  }

  function describeFiles() {
    return query.modalities
      .filter(({ input }) => input === "file")
      .map(({ label }) => `${/^[aeiou]/i.test(label) ? "an" : "a"} ${label}`)
      .join(" or ");
  }

  function onSubmit(event) {
    event.preventDefault();
    if (field.value.trim()) onText(field.value.trim());
    else field.focus();
  }

  function onInput() {
    clearButton.hidden = !field.value;
    fail("");
    if (typed?.renders === "svg") renderSketchSoon();
  }

  function clear() {
    field.value = "";
    onInput();
    hideSketch();
    onClear();
    field.focus();
  }

  function onFileChosen() {
    if (chooser.files.length) onFile(chooser.files[0]);
    chooser.value = "";
  }

  // --- the sketch of what is being typed

  async function renderSketch() {
    const text = field.value.trim();
    request?.abort();
    if (!text || text.startsWith("@")) return hideSketch();
    request = new AbortController();
    try {
      showSketch(await api.renderQuery(solution.name, text, inkColor(), request.signal));
    } catch (error) {
      if (error.name === "AbortError") return null;
      sketch.classList.add("stale");
      if (error.status === 422) fail(error.messageFor("query") || error.message, "", true);
    }
    return null;
  }

  function showSketch(svg) {
    const url = URL.createObjectURL(svg);
    const image = h("img.drawn", {
      src: url,
      alt: "The query as it is drawn",
      onload: () => URL.revokeObjectURL(url),
    });
    fill(sketch, image);
    sketch.hidden = false;
    sketch.classList.remove("stale");
    fail("");
  }

  function hideSketch() {
    renderSketchSoon.cancel();
    sketch.hidden = true;
  }

  // --- the file or item that was chosen

  function showSubject(caption, media, label, note) {
    release();
    release = () => {};
    const clearSubject = () => {
      fail("");
      onClear();
    };
    fill(
      subject,
      media && h("div.thumb", media),
      h("div.description", h("span.quiet", caption), h("b", { title: label }, label), note && h("span.quiet", note)),
      iconButton("close", "Clear the search", clearSubject),
    );
    subject.hidden = false;
    element.classList.add("chosen");
  }

  function showFile(file) {
    const url = URL.createObjectURL(file);
    const kind = file.type.split("/")[0];
    showSubject("Similar to this file", createPreview(kind, url, file.name, file), file.name, formatBytes(file.size));
    release = () => URL.revokeObjectURL(url);
  }

  async function showItem(key) {
    showSubject("Similar to", null, key);
    const item = await api.getItem(solution.name, key).catch(() => null);
    if (!item || subject.hidden || shown !== `@${key}`) return;
    showSubject(
      "Similar to",
      createPreview(item.kind, item.content_url, key),
      formatName(item),
    );
  }

  function hideSubject() {
    release();
    release = () => {};
    subject.hidden = true;
    element.classList.remove("chosen");
  }

  function fail(message, hint = "", isSoft = false) {
    fill(problem, renderProblem(message, hint));
    problem.classList.toggle("soft", isSoft);
    markInvalid(field, Boolean(message) && !isSoft);
  }

  let shown = null;

  const onThemed = () => {
    if (!element.isConnected) window.removeEventListener("themed", onThemed);
    else if (!sketch.hidden) renderSketch();
  };
  window.addEventListener("themed", onThemed);

  return {
    element,
    sketch,
    fail,
    focus: () => (query.text ? field : element.querySelector("button"))?.focus(),
    /** Shows the query of a route. */
    show(route) {
      const requested = route.upload || route.q;
      if (requested === shown) return;
      shown = requested;
      const isItem = route.q.startsWith("@") && !route.upload;
      field.value = isItem || route.upload ? "" : route.q;
      onInput();
      if (!field.value) hideSketch();
      if (isItem) showItem(route.q.slice(1));
      else if (getUpload(route.upload)) showFile(getUpload(route.upload));
      else hideSubject();
    },
  };
}

/** Creates a small view of a file or an item; null if there is none for its kind. */
function createPreview(kind, url, name, file) {
  if (kind === "image") return h("img", { src: url, alt: "" });
  if (kind === "svg") return svgImage(url, "");
  if (kind === "audio") return createPlayer(url, { name, file });
  if (kind !== "video") return null;
  const video = h("video", { src: url, controls: true, preload: "metadata", playsinline: true });
  video.muted = true;
  return video;
}

/** Accepts files that are dropped anywhere on the page, or pasted; returns a function that stops it. */
export function acceptFiles(onFile) {
  const overlay = h("div.overlay", { hidden: true }, h("div", icon("upload"), h("b", "Drop to search with it")));
  const stop = new AbortController();
  const listen = (name, listener) => document.addEventListener(name, listener, { signal: stop.signal });
  const hasFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  let depth = 0;
  const updateDepth = (change) => {
    depth = Math.max(0, depth + change);
    overlay.hidden = depth === 0;
  };
  listen("dragenter", (event) => hasFile(event) && updateDepth(1));
  listen("dragleave", (event) => hasFile(event) && updateDepth(-1));
  listen("dragover", (event) => hasFile(event) && event.preventDefault());
  listen("drop", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    updateDepth(-depth);
    if (event.dataTransfer.files.length) onFile(event.dataTransfer.files[0]);
  });
  listen("paste", (event) => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    onFile(event.clipboardData.files[0]);
  });
  document.body.append(overlay);
  return () => {
    stop.abort();
    overlay.remove();
  };
}
