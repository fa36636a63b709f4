// The examples of a search: which items are liked and unliked, the buttons on a card, and the strip that shows them.

import * as api from "./api.js";
import { svgImage } from "./drawing.js";
import { fill, h, icon, iconButton } from "./dom.js";
import { shorten } from "./format.js";
import { formatName } from "./parts.js";

const KINDS = { like: ["up", "More like"], unlike: ["down", "Less like"] };
const MAX_NAME_CHARS = 60;

/** Returns the examples of a route after an item was toggled in one of the lists; the other list loses it. */
export function toggleExample(route, kind, key) {
  const without = (keys) => keys.filter((other) => other !== key);
  const changed = { like: without(route.like), unlike: without(route.unlike) };
  if (!route[kind].includes(key)) changed[kind] = [...changed[kind], key];
  return changed;
}

export const hasExamples = ({ like, unlike }) => like.length + unlike.length > 0;

/** Renders the two buttons of a card: `toggle(kind, entry)` is called for a click, `getRoute()` has the examples. */
export function renderExampleButtons(entry, { toggle, getRoute }) {
  return Object.entries(KINDS).map(([kind, [image, label]]) => {
    const name = shorten(formatName(entry), MAX_NAME_CHARS);
    const button = iconButton(image, `${label} ${name}`, () => toggle(kind, entry), {
      "aria-pressed": String(getRoute()[kind].includes(entry.key)),
    });
    button.classList.add("example");
    button.dataset.example = kind;
    button.dataset.key = entry.key;
    return button;
  });
}

/** Marks the buttons below `root` whose items are examples of a route. */
export function markExamples(root, route) {
  for (const button of root.querySelectorAll("button[data-example]"))
    button.setAttribute("aria-pressed", String(route[button.dataset.example].includes(button.dataset.key)));
}

/** Creates the strip. `onChange({like, unlike})` is called when an example is removed, or all of them. */
export function createExampleStrip(solution, onChange, action = null) {
  const known = new Map();
  const element = h("section.examples", { "aria-label": "Examples", hidden: true });
  let route = null;
  let shown = "";

  /** Renders the examples; the focus stays in the strip though the button that had it may be gone. */
  function render() {
    const focused = [...element.querySelectorAll("button")].indexOf(document.activeElement);
    element.hidden = !hasExamples(route);
    fill(
      element,
      Object.entries(KINDS).map(([kind, [image, label]]) => renderGroup(kind, image, label, route[kind])),
      h("span.grow"),
      action?.(route),
      h("button.link", { type: "button", onclick: () => onChange({ like: [], unlike: [] }) }, "Clear"),
    );
    if (focused < 0) return;
    const buttons = element.querySelectorAll("button");
    const next = element.hidden ? document.getElementById("main") : buttons[Math.min(focused, buttons.length - 1)];
    next.focus();
  }

  function renderGroup(kind, image, label, keys) {
    if (!keys.length) return null;
    const list = h(
      "ul",
      { "aria-label": label },
      keys.map((key) => renderExample(kind, key)),
    );
    return h("div.group", h("span.quiet", icon(image), label), list);
  }

  function renderExample(kind, key) {
    const entry = known.get(key);
    const name = entry ? formatName(entry) : key;
    const remove = () => onChange(toggleExample(route, kind, key));
    const line = h(
      "li.chip",
      renderThumbnail(entry),
      h("span", { title: name }, shorten(name, MAX_NAME_CHARS)),
      iconButton("close", `Remove ${name}`, remove),
    );
    line.classList.add(kind);
    if (!known.has(key)) load(key);
    return line;
  }

  /** Loads an item once, for its name and picture; one that is gone is shown by its key. */
  async function load(key) {
    known.set(key, null);
    known.set(key, await api.getItem(solution.name, key).catch(() => null));
    if (known.get(key)) render();
  }

  return {
    element,
    /** Remembers an entry that is shown already, so that it is not loaded again. */
    remember: (entry) => known.set(entry.key, entry),
    /** Shows the examples of a route. */
    show(next) {
      route = next;
      const requested = JSON.stringify([route.like, route.unlike]);
      if (requested === shown) return;
      shown = requested;
      render();
    },
  };
}

function renderThumbnail(entry) {
  if (entry?.kind === "image") return h("img", { src: entry.content_url, alt: "", loading: "lazy" });
  return entry?.kind === "svg" ? svgImage(entry.content_url, "") : null;
}
