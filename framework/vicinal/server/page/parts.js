// Parts of an entry that its card and the large view show: its key, similarity, labels, facts and texts.

import { h } from "./dom.js";
import { formatBytes, formatClock, shorten, splitPath, toText } from "./format.js";

const MAX_LABEL_CHARS = 40;
const MAX_NAME_CHARS = 200;
const MAX_NOTE_CHARS = 160;
const MAX_PARAGRAPH_CHARS = 400;
const MAX_FACT_CHARS = 2000;
const MAX_OPENED_CHARS = 20_000;

export const formatSimilarity = (hit) => hit.similarity.toFixed(3);

/** Returns what people call an entry: its title, the beginning of a text, or else its key. */
export function formatName({ title, kind, content, key }) {
  return shorten(title || (kind === "text" && content) || key, MAX_NAME_CHARS);
}

/** Renders the similarity as a bar and a number, with a reranker's score if there is one. */
export function renderSimilarity(hit) {
  if (hit.similarity === undefined) return null;
  const bar = h("span.fill");
  bar.style.setProperty("--share", Math.max(0, Math.min(1, hit.similarity)));
  return h(
    "span.similarity",
    { title: `Similarity ${hit.similarity}` },
    h("span.meter", { "aria-hidden": "true" }, bar),
    h("b", formatSimilarity(hit)),
    typeof hit.score === "number" &&
      h(
        "span.score",
        { title: `Score ${hit.score} of the reranker, which orders the list` },
        "score ",
        h("b", hit.score.toFixed(2)),
      ),
  );
}

/** Renders what a reranker says of a hit; null if it says nothing. */
export function renderNote({ note }) {
  return note && h("span.remark", { title: note }, shorten(note, MAX_NOTE_CHARS));
}

export function renderKey(entry) {
  const [folder, name] = splitPath(entry.key);
  return h("span.key", { title: entry.key }, folder && h("span.folder", folder), h("span.name", name));
}

const isShortened = ({ content, segment }) => Boolean(content?.endsWith("…") || segment?.excerpt);

const renderLink = (url, text) => h("a.link", { href: url, target: "_blank", rel: "noopener" }, text);

/** Returns where the found segment begins: its label or its start time; null if it has neither. */
export function formatStart({ segment }) {
  if (segment?.label) return segment.label;
  return Number.isFinite(segment?.start) ? formatClock(segment.start) : null;
}

/** Returns where the found segment is, with its end if it has one. */
function formatPlace(entry) {
  const { label, start, end } = entry.segment ?? {};
  return !label && end > start ? `${formatStart(entry)} – ${formatClock(end)}` : formatStart(entry);
}

/** Renders all facts about an entry, collapsed. */
export function renderDetails(entry) {
  return h("details.more", h("summary", "Details"), renderFacts(entry));
}

export function renderFacts(entry) {
  const rows = Object.entries(entry.metadata).map(([name, value]) => [
    name,
    name === "bytes" ? formatBytes(value) : shorten(toText(value), MAX_FACT_CHARS),
  ]);
  rows.unshift(["key", entry.key]);
  if (entry.kind === "svg" && entry.content) rows.push([entry.content_label, renderDrawnContent(entry)]);
  if (typeof entry.score === "number")
    rows.push(["score", entry.note ? `${entry.score} (${entry.note})` : `${entry.score}`]);
  if (formatPlace(entry)) rows.push(["found at", formatPlace(entry)]);
  if (entry.distance !== undefined)
    rows.push(["similarity", entry.similarity.toPrecision(6)], ["distance", entry.distance.toPrecision(6)]);
  if (entry.added) rows.push(["added", "by hand"]);
  return h(
    "dl.facts",
    rows.map(([name, value]) => [h("dt", name), h("dd", value)]),
  );
}

/** Renders the content behind a drawing; the URL of the content gives the drawing, hence the link to the item. */
function renderDrawnContent(entry) {
  const link = isShortened(entry) && renderLink(entry.whole_url, `Whole ${entry.content_label} (JSON)`);
  return link ? [entry.content, h("span.links", link)] : entry.content;
}

/** Renders the metadata that is short enough for a label, and not what the card or another label says already. */
export function renderLabels(entry, except = []) {
  const texts = new Set(["", entry.content, entry.key, entry.title]);
  const shown = Object.entries(entry.metadata).filter(([name, value]) => {
    const text = toText(value);
    if (text.length > MAX_LABEL_CHARS || texts.has(text) || except.includes(name)) return false;
    texts.add(text);
    return true;
  });
  return (
    shown.length > 0 &&
    h(
      "span.labels",
      shown.slice(0, 4).map(([name, value]) => h("span.label", { title: name }, toText(value))),
    )
  );
}

export function renderStart(entry) {
  const start = formatStart(entry);
  return start && h("span.label", { title: "where it was found" }, start);
}

/** Renders a content, which the API has shortened if it ends in …, with a link to the whole of it. */
export function renderContent(entry) {
  return renderCollapsible(entry.content, isShortened(entry) && renderLink(entry.content_url, "Whole text"));
}

/** Renders a long value of the metadata, with a link to the item where it is too long for the page. */
export function renderParagraph(entry, text) {
  return renderCollapsible(text, text.length > MAX_OPENED_CHARS && renderLink(entry.whole_url, "Whole item (JSON)"));
}

/** Renders a text of which the beginning shows, and the rest on demand, followed by a link if there is one. */
function renderCollapsible(text, link = null) {
  const beginning = shorten(text, MAX_PARAGRAPH_CHARS);
  const body = h("span.clamp.open", beginning);
  if (beginning === text) return h("span.prose", body, link && h("span.links", link));
  body.classList.remove("open");
  const more = h("button.link", { type: "button", "aria-expanded": "false" }, "Show all");
  more.addEventListener("click", () => {
    const isOpen = body.classList.toggle("open");
    body.textContent = isOpen ? shorten(text, MAX_OPENED_CHARS) : beginning;
    more.setAttribute("aria-expanded", isOpen);
    more.textContent = isOpen ? "Show less" : "Show all";
  });
  return h("span.prose", body, h("span.links", more, link));
}
