// Cards: a hit of a search, or an item of the list, laid out by the kind of its content.

import { append, fill, h, icon, iconButton } from "./dom.js";
import { openViewer } from "./dialogs.js";
import { svgImage } from "./drawing.js";
import { renderExampleButtons } from "./examples.js";
import { shorten, toText } from "./format.js";
import {
  formatName,
  formatSimilarity,
  formatStart,
  renderContent,
  renderDetails,
  renderFacts,
  renderKey,
  renderLabels,
  renderNote,
  renderParagraph,
  renderSimilarity,
  renderStart,
} from "./parts.js";
import { createPlayer } from "./player.js";

const MIN_PARAGRAPH_CHARS = 60;
const MAX_LABEL_CHARS = 60;
const MAX_TITLE_CHARS = 400;
const LAYOUTS = { image: "gallery", svg: "drawings", video: "videos", audio: "audios", text: "texts" };

/** Creates a list of cards, laid out for their kind. `actions`: searchSimilar(key); examples, as
    `renderExampleButtons` takes them; and remove(key) if allowed. */
export function createCards(entries, actions, label) {
  const list = h("ol.cards", { "aria-label": label });
  list.classList.add(LAYOUTS[entries[0]?.kind] ?? "texts");
  appendCards(list, entries, actions);
  return list;
}

/** Appends cards to a list. */
export function appendCards(list, entries, actions) {
  list.entries = [...(list.entries ?? []), ...entries];
  for (const entry of entries) list.append(createCard(entry, actions, list));
}

function createCard(entry, actions, list) {
  const element = h("li.card", { tabindex: "-1" });
  element.dataset.key = entry.key;
  element.classList.add(entry.kind);
  const name = entry.title || entry.key;
  element.setAttribute(
    "aria-label",
    entry.rank ? `${entry.rank}. ${name}, similarity ${formatSimilarity(entry)}` : name,
  );
  append(
    element,
    (RENDERERS[entry.kind] ?? renderText)(entry, actions, () => showLarge(entry, actions, list)),
  );
  return element;
}

function renderActions(entry, { searchSimilar, examples, remove }) {
  const label = `Similar to ${shorten(formatName(entry), MAX_LABEL_CHARS)}`;
  return h(
    "span.actions",
    examples && renderExampleButtons(entry, examples),
    searchSimilar &&
      h(
        "button.similar",
        { type: "button", title: label, "aria-label": label, onclick: () => searchSimilar(entry.key) },
        icon("near"),
        h("span", "Similar"),
      ),
    remove && iconButton("trash", `Remove ${entry.key}`, () => remove(entry.key)),
  );
}

function renderFooter(entry, actions) {
  return h("div.foot", renderSimilarity(entry), h("span.grow"), renderActions(entry, actions));
}

// --- the kinds

function renderImage(entry, actions, open) {
  const picture = h("img", { src: entry.content_url, alt: entry.key, loading: "lazy", decoding: "async" });
  const frame = h("button.frame", { type: "button", "aria-label": `See ${entry.key} large`, onclick: open }, picture);
  picture.addEventListener("load", () => {
    const ratio = Math.max(0.5, Math.min(2.4, picture.naturalWidth / picture.naturalHeight || 4 / 3));
    frame.closest(".card")?.style.setProperty("--ratio", ratio);
    frame.classList.add("loaded");
  });
  picture.addEventListener("error", () => fill(frame, h("span.gone", icon("image"), "cannot be shown")));
  return [
    frame,
    formatStart(entry) && h("span.stamp", formatStart(entry)),
    h("div.caption", renderKey(entry), renderSimilarity(entry), renderNote(entry)),
    renderActions(entry, actions),
  ];
}

function renderSvg(entry, actions, open) {
  return [
    h(
      "button.frame",
      { type: "button", "aria-label": `See ${entry.key} large`, onclick: open },
      svgImage(entry.content_url, `Drawing of ${entry.key}`),
    ),
    h(
      "div.body",
      h("div.head", renderKey(entry), renderStart(entry), renderLabels(entry), renderNote(entry)),
      renderFooter(entry, actions),
    ),
  ];
}

/** Renders a video at the time that was found; it gets its controls when it is played. */
function renderVideo(entry, actions) {
  const start = entry.segment?.start ?? 0;
  const startText = formatStart(entry);
  const video = h("video", {
    src: `${entry.content_url}#t=${start || 0.001}`,
    preload: "metadata",
    playsinline: true,
    "aria-label": entry.key,
  });
  const startButton = h(
    "button.start",
    { type: "button", "aria-label": `Play ${entry.key}${startText ? ` from ${startText}` : ""}`, onclick: play },
    icon("play"),
  );
  const frame = h("div.frame", video, startButton);
  video.muted = true;
  video.addEventListener("error", () => fill(frame, h("span.gone", icon("video"), "This browser cannot play it")));
  function play() {
    startButton.remove();
    video.controls = true;
    video.currentTime = start;
    video.play().catch(() => {});
    video.focus();
  }
  return [
    frame,
    h(
      "div.body",
      h(
        "div.head",
        renderKey(entry),
        startText &&
          h(
            "button.jump",
            { type: "button", title: "Play from where it was found", onclick: play },
            icon("play"),
            startText,
          ),
      ),
      renderNote(entry),
      renderFooter(entry, actions),
      renderDetails(entry),
    ),
  ];
}

function renderAudio(entry, actions) {
  const { start = 0, end = null } = entry.segment ?? {};
  return [
    h("div.head", renderKey(entry), renderStart(entry), h("span.grow"), renderSimilarity(entry)),
    createPlayer(entry.content_url, { start: start ?? 0, end, name: entry.key }),
    renderNote(entry),
    h("div.foot", renderDetails(entry), h("span.grow"), renderActions(entry, actions)),
  ];
}

/** Renders a text and its long metadata: a question and its answer. */
function renderText(entry, actions) {
  const long = Object.entries(entry.metadata).filter(
    ([, value]) => toText(value).length > MIN_PARAGRAPH_CHARS && ![entry.content, entry.title].includes(value),
  );
  const names = long.map(([name]) => name);
  return [
    h("div.head", h("h3", renderHeading(entry)), renderSimilarity(entry)),
    renderNote(entry),
    long.map(([, value]) => renderParagraph(entry, toText(value))),
    h(
      "div.foot",
      (entry.content || entry.title) && renderKey(entry),
      renderStart(entry),
      renderLabels(entry, names),
      renderDetails(entry),
      h("span.grow"),
      renderActions(entry, actions),
    ),
  ];
}

/** Renders the title of a text, or else the text itself, or its key. */
function renderHeading(entry) {
  if (entry.title) return h("span.title", shorten(entry.title, MAX_TITLE_CHARS));
  return entry.content ? renderContent(entry) : renderKey(entry);
}

function showLarge(entry, actions, list) {
  const { searchSimilar, examples } = actions;
  openViewer(list.entries, list.entries.indexOf(entry), (one, close) => ({
    media:
      one.kind === "svg"
        ? svgImage(one.content_url, `Drawing of ${one.key}`)
        : h("img", { src: one.content_url, alt: one.key }),
    body: [
      h("h2", renderKey(one)),
      renderSimilarity(one),
      renderNote(one),
      renderFacts(one),
      h(
        "div.row",
        searchSimilar &&
          h(
            "button.secondary",
            { type: "button", onclick: () => (close(), searchSimilar(one.key)) },
            icon("near"),
            "Similar",
          ),
        examples &&
          renderExampleButtons(one, { ...examples, toggle: (...args) => (close(), examples.toggle(...args)) }),
      ),
    ],
  }));
}

const RENDERERS = { image: renderImage, svg: renderSvg, video: renderVideo, audio: renderAudio, text: renderText };

/** Creates placeholders for cards that are loading. */
export function createSkeletons(kind, number) {
  const layout = LAYOUTS[kind] ?? "texts";
  const list = h("ol.cards.loading", { "aria-hidden": "true" });
  list.classList.add(layout);
  for (let index = 0; index < number; index += 1)
    list.append(h("li.card", h("span.skeleton.media"), h("span.skeleton"), h("span.skeleton.short")));
  return list;
}
