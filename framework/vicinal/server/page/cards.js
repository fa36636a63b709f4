// A hit of a search, or an item of the list, as a card. What it looks like depends on what it is.

import { append, fill, h, icon, iconButton } from "/page/dom.js";
import { view } from "/page/dialogs.js";
import { drawing } from "/page/drawing.js";
import { bytes, clock, pathParts, plain } from "/page/format.js";
import { player } from "/page/player.js";

const LONG = 60;
const LAYOUTS = { image: "gallery", svg: "drawings", video: "films", audio: "sounds", text: "texts" };

/** A list of cards, laid out for their kind. `actions`: similar(key), and where items can be removed, remove(key). */
export function cards(things, actions, label) {
  const list = h("ol.cards", { "aria-label": label });
  list.classList.add(LAYOUTS[things[0]?.kind] ?? "texts");
  extend(list, things, actions);
  return list;
}

/** Adds cards to a list. */
export function extend(list, things, actions) {
  list.things = [...(list.things ?? []), ...things];
  for (const thing of things) list.append(card(thing, actions, list));
}

function card(thing, actions, list) {
  const makers = { image, svg: molecule, video: film, audio: sound, text };
  const element = h("li.card", { tabindex: "-1" });
  element.dataset.key = thing.key;
  element.classList.add(thing.kind);
  element.setAttribute("aria-label", thing.rank ? `${thing.rank}. ${thing.key}, similarity ${near(thing)}` : thing.key);
  append(
    element,
    (makers[thing.kind] ?? text)(thing, actions, () => large(thing, actions, list)),
  );
  return element;
}

// --- what the kinds have in common

const near = (hit) => hit.similarity.toFixed(3);

/** Nearness as a bar and a number. */
function nearness(hit) {
  if (hit.similarity === undefined) return null;
  const bar = h("span.fill");
  bar.style.setProperty("--share", Math.max(0, Math.min(1, hit.similarity)));
  return h(
    "span.near",
    { title: `Similarity ${hit.similarity}` },
    h("span.meter", { "aria-hidden": "true" }, bar),
    h("b", near(hit)),
  );
}

function title(thing) {
  const [folder, name] = pathParts(thing.key);
  return h("span.key", { title: thing.key }, folder && h("span.folder", folder), h("span.name", name));
}

function buttons(thing, { similar, remove }) {
  return h(
    "span.acts",
    similar &&
      h(
        "button.similar",
        { type: "button", title: `More like ${thing.key}`, onclick: () => similar(thing.key) },
        icon("near"),
        h("span", "More like this"),
      ),
    remove && iconButton("trash", `Remove ${thing.key}`, () => remove(thing.key)),
  );
}

function moment(thing) {
  return thing.segment?.start === undefined || thing.segment?.start === null ? null : clock(thing.segment.start);
}

/** All that is known of it, folded. */
function folded(thing) {
  return h("details.more", h("summary", "Details"), facts(thing));
}

function facts(thing) {
  const rows = Object.entries(thing.metadata).map(([name, value]) => [
    name,
    name === "bytes" ? bytes(value) : plain(value),
  ]);
  rows.unshift(["key", thing.key]);
  if (thing.kind === "svg") rows.push(["SMILES", thing.content]);
  if (thing.segment)
    rows.push([
      "found at",
      `${moment(thing)}${thing.segment.end > thing.segment.start ? ` – ${clock(thing.segment.end)}` : ""}`,
    ]);
  if (thing.distance !== undefined)
    rows.push(["similarity", thing.similarity.toPrecision(6)], ["distance", thing.distance.toPrecision(6)]);
  if (thing.added) rows.push(["added", "by hand"]);
  return h(
    "dl.facts",
    rows.map(([name, value]) => [h("dt", name), h("dd", value)]),
  );
}

/** The metadata that is short enough for a label. */
function labels(thing, but = []) {
  const shown = Object.entries(thing.metadata).filter(
    ([name, value]) => plain(value).length <= 40 && plain(value) !== "" && !but.includes(name),
  );
  return (
    shown.length > 0 &&
    h(
      "span.labels",
      shown.slice(0, 4).map(([name, value]) => h("span.label", { title: name }, plain(value))),
    )
  );
}

function foot(thing, actions) {
  return h("div.foot", nearness(thing), h("span.grow"), buttons(thing, actions));
}

// --- the kinds

function image(thing, actions, open) {
  const picture = h("img", { src: thing.content_url, alt: thing.key, loading: "lazy", decoding: "async" });
  const frame = h("button.frame", { type: "button", "aria-label": `See ${thing.key} large`, onclick: open }, picture);
  picture.addEventListener("load", () => {
    const ratio = Math.max(0.5, Math.min(2.4, picture.naturalWidth / picture.naturalHeight || 4 / 3));
    frame.closest(".card")?.style.setProperty("--ratio", ratio);
    frame.classList.add("loaded");
  });
  picture.addEventListener("error", () => fill(frame, h("span.gone", icon("image"), "cannot be shown")));
  return [
    frame,
    moment(thing) && h("span.stamp", moment(thing)),
    h("div.caption", title(thing), nearness(thing)),
    buttons(thing, actions),
  ];
}

function molecule(thing, actions, open) {
  return [
    h(
      "button.frame",
      { type: "button", "aria-label": `See ${thing.key} large`, onclick: open },
      drawing(thing.content_url, `Structure of ${thing.key}`),
    ),
    h("div.body", h("div.head", title(thing), labels(thing)), foot(thing, actions)),
  ];
}

/** A video that stands at the moment found; it gets its controls when it is played. */
function film(thing, actions) {
  const start = thing.segment?.start ?? 0;
  const at = moment(thing);
  const video = h("video", {
    src: `${thing.content_url}#t=${start || 0.001}`,
    preload: "metadata",
    playsinline: true,
    "aria-label": thing.key,
  });
  const run = h(
    "button.start",
    { type: "button", "aria-label": `Play ${thing.key}${at ? ` from ${at}` : ""}`, onclick: play },
    icon("play"),
  );
  const frame = h("div.frame", video, run);
  video.muted = true;
  video.addEventListener("error", () => fill(frame, h("span.gone", icon("video"), "This browser cannot play it")));
  function play() {
    run.remove();
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
        title(thing),
        at &&
          h("button.jump", { type: "button", title: "Play from where it was found", onclick: play }, icon("play"), at),
      ),
      foot(thing, actions),
      folded(thing),
    ),
  ];
}

function sound(thing, actions) {
  const { start = 0, end = null } = thing.segment ?? {};
  return [
    h("div.head", title(thing), thing.segment && h("span.label", moment(thing)), h("span.grow"), nearness(thing)),
    player(thing.content_url, { start: start ?? 0, end, name: thing.key }),
    h("div.foot", folded(thing), h("span.grow"), buttons(thing, actions)),
  ];
}

/** A text, and what its metadata has to read: a question and its answer. */
function text(thing, actions) {
  const long = Object.entries(thing.metadata).filter(([, value]) => plain(value).length > LONG);
  const paragraphs = long.map(([, value]) => clamped(plain(value)));
  return [
    h("div.head", thing.content ? h("h3", clamped(thing.content)) : h("h3", title(thing)), nearness(thing)),
    paragraphs,
    h(
      "div.foot",
      labels(
        thing,
        long.map(([name]) => name),
      ),
      folded(thing),
      h("span.grow"),
      buttons(thing, actions),
    ),
  ];
}

/** A text of a few lines, and the rest of it on demand. */
function clamped(content) {
  const body = h("span.clamp", content);
  if (content.length < 400) {
    body.classList.add("open");
    return h("span.prose", body);
  }
  const more = h("button.link", { type: "button", "aria-expanded": "false" }, "Show all");
  more.addEventListener("click", () => {
    const open = body.classList.toggle("open");
    more.setAttribute("aria-expanded", open);
    more.textContent = open ? "Show less" : "Show all";
  });
  return h("span.prose", body, more);
}

function large(thing, actions, list) {
  const similar = actions.similar;
  view(list.things, list.things.indexOf(thing), (one, close) => ({
    media:
      one.kind === "svg"
        ? drawing(one.content_url, `Structure of ${one.key}`)
        : h("img", { src: one.content_url, alt: one.key }),
    body: [
      h("h2", title(one)),
      nearness(one),
      facts(one),
      similar &&
        h(
          "button.secondary",
          { type: "button", onclick: () => (close(), similar(one.key)) },
          icon("near"),
          "More like this",
        ),
    ],
  }));
}

/** Cards that are still to come. */
export function skeletons(kind, number) {
  const layout = LAYOUTS[kind === "smiles" ? "svg" : kind] ?? "texts";
  const list = h("ol.cards.loading", { "aria-hidden": "true" });
  list.classList.add(layout);
  for (let at = 0; at < number; at += 1)
    list.append(h("li.card", h("span.bone.media"), h("span.bone"), h("span.bone.short")));
  return list;
}
