// The map view: every item a point, near to those that it is similar to, colored by a field.

import * as api from "./api.js";
import { createCards } from "./cards.js";
import { errorMessage, statusMessage } from "./dialogs.js";
import { announce, fill, h } from "./dom.js";
import { svgImage } from "./drawing.js";
import { formatNumber, shorten } from "./format.js";
import { createPlot } from "./map_plot.js";
import { navigate } from "./route.js";

const POLL_MS = 1000;
const MAX_LABEL_CHARS = 120;
// As on the page that `vicinal map` writes: each has a contrast of 3.3 at least on both themes.
const COLORS = [
  ...["#12908a", "#e8590c", "#4c6ef5", "#d6336c", "#6b8e23", "#ae3ec9"],
  ...["#1c8dbf", "#b07d0b", "#9c6b4f", "#e03131", "#2f9e44", "#7c8a00"],
];
const GREY = "#868e96";
const RAMP = ["#4c6ef5", "#ae3ec9", "#e8590c"];
const HELP = "Arrow keys go from point to point, Enter shows the item, plus and minus zoom, 0 shows all.";

const chosenFields = new Map(); // by the solution's name, so that it is kept when the view is left

/** Creates the view in `root`; returns {update(route), close()}. */
export function createMapView(root, solution) {
  const plot = createPlot({ onHover: showTip, onChoose: showItem });
  const summary = h("p.quiet");
  const state = h("p.quiet", { role: "status" });
  const legend = h("div.legend");
  const chosen = h("div.chosen");
  const tip = h("div.tip", { hidden: true });
  const select = h("select", { "aria-label": "Color points by", onchange: () => setField(select.value) });
  const picker = h("label.color-by", "Color by", select);
  const view = h(
    "div.map",
    h("div.map-bar", picker, h("div.told", summary, state)),
    h("div.map-grid", h("div.panel.stage", plot.element, tip), h("div.side", legend, chosen)),
  );
  let map = null;
  let request = null;
  let timer = 0;
  let highlighted = null;

  const searchSimilar = (key) => navigate({ name: solution.name, q: `@${key}` });

  async function load() {
    request?.abort();
    clearTimeout(timer);
    request = new AbortController();
    try {
      const answer = await api.getMap(solution.name, request.signal);
      if (answer.points) show(answer);
      else if (!map) fill(root, waitingMessage());
      if (!answer.points || !answer.is_current) timer = setTimeout(load, POLL_MS);
      state.textContent = answer.points && !answer.is_current ? "The collection has changed; a new map is computed." : "";
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error.status === 409) fill(root, emptyMessage(error));
      else fill(root, errorMessage(error, load));
    }
  }

  function waitingMessage() {
    const message = statusMessage("near", "Computing the map", "It takes up to half a minute; searches are answered meanwhile.");
    message.classList.add("loading");
    return message;
  }

  function emptyMessage(error) {
    const link = h("a.button.primary", { href: `#/${encodeURIComponent(solution.name)}/index` }, "Index the source");
    return statusMessage("near", "A map takes two items", `${error.message}.`, link);
  }

  function show(next) {
    if (!view.isConnected) fill(root, view);
    if (map && isEqual(map.points, next.points) && isEqual(map.fields, next.fields)) return;
    map = next;
    summary.textContent = next.summary;
    plot.canvas.setAttribute("aria-label", `Map of ${solution.title}. ${next.summary} ${HELP}`);
    plot.show(next.points);
    fill(chosen, h("p.quiet", "Choose a point to see its item."));
    const names = next.fields.map(({ name }) => name);
    fill(
      select,
      h("option", { value: "" }, "nothing"),
      names.map((name) => h("option", { value: name }, name)),
    );
    picker.hidden = !names.length;
    const wanted = chosenFields.get(solution.name) ?? defaultField(next.fields);
    setField(names.includes(wanted) ? wanted : "");
  }

  /** Returns the name of a declared field of categories, else of any, else of a declared field of numbers. */
  function defaultField(fields) {
    const declared = fields.filter((field) => solution.fields.some(({ name }) => name === field.name));
    const isCategory = ({ kind }) => kind === "category";
    return (declared.find(isCategory) ?? fields.find(isCategory) ?? declared[0])?.name ?? "";
  }

  function setField(name) {
    select.value = name;
    chosenFields.set(solution.name, name);
    highlighted = null;
    paint();
  }

  const currentField = () => map.fields.find(({ name }) => name === select.value);

  function paint() {
    const field = currentField();
    if (!field) {
      plot.paint(() => ({ color: COLORS[0] }));
      return fill(legend);
    }
    const paintValue = field.kind === "number" ? rampOf(field.values) : (value) => categoryColor(field, value);
    plot.paint((index) => {
      const value = field.values[index];
      const isFaint = highlighted !== null && value !== highlighted;
      return value === null ? { color: GREY, isHollow: true, isFaint } : { color: paintValue(value), isFaint };
    });
    return fill(legend, h("h2", field.name), field.kind === "number" ? createScale(field) : createCategories(field));
  }

  function createCategories(field) {
    return h(
      "div.choices",
      field.categories.map((name) => {
        const dot = h("span.dot", { "aria-hidden": "true" });
        dot.style.setProperty("--dot", categoryColor(field, name));
        const onclick = () => {
          highlighted = highlighted === name ? null : name;
          paint();
          [...legend.querySelectorAll("button")].find((button) => button.textContent === name)?.focus();
        };
        return h("button.chip", { type: "button", "aria-pressed": String(highlighted === name), onclick }, dot, name);
      }),
    );
  }

  function createScale(field) {
    const numbers = field.values.filter((value) => value !== null);
    const bar = h("span.ramp", { "aria-hidden": "true" });
    bar.style.setProperty("--ramp", `linear-gradient(to right, ${RAMP.join(", ")})`);
    const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
    return h("div.scale", h("span", formatValue(low)), bar, h("span", formatValue(high)));
  }

  function showTip(index, x, y) {
    tip.hidden = index === null;
    if (index === null) return;
    const { key, label } = map.points[index];
    const field = currentField();
    const value = field?.values[index] ?? null;
    fill(
      tip,
      createThumbnail(key),
      h("b", key),
      label !== key && h("span", shorten(label, MAX_LABEL_CHARS)),
      value !== null && h("span.quiet", `${field.name}: ${formatValue(value)}`),
    );
    const stage = tip.parentElement;
    tip.classList.toggle("left", x > stage.clientWidth / 2);
    tip.classList.toggle("above", y > stage.clientHeight / 2);
    tip.style.setProperty("--x", `${x}px`);
    tip.style.setProperty("--y", `${y}px`);
    if (document.activeElement === plot.canvas) announce([key, label !== key && label, value].filter(Boolean).join(", "));
  }

  function createThumbnail(key) {
    const url = api.contentUrl(solution.name, key);
    if (solution.query.renders === "image") return h("img", { src: url, alt: "" });
    return solution.query.renders === "svg" && svgImage(url, "");
  }

  async function showItem(index) {
    const { key } = map.points[index];
    try {
      const item = await api.getItem(solution.name, key);
      fill(chosen, createCards([item], { searchSimilar }, "Chosen item"));
      announce(`Item ${key}`);
    } catch (error) {
      fill(chosen, errorMessage(error, () => showItem(index)));
    }
  }

  fill(root, waitingMessage());
  load();
  return {
    update() {},
    close() {
      request?.abort();
      clearTimeout(timer);
      plot.close();
    },
  };
}

const isEqual = (one, other) => JSON.stringify(one) === JSON.stringify(other);

const formatValue = (value) =>
  typeof value === "number" && Math.abs(value) >= 10_000 ? formatNumber(value) : String(value);

function categoryColor(field, value) {
  return COLORS[field.categories.indexOf(value)] ?? GREY;
}

/** Returns the function from a number to its color between the lowest and the highest. */
function rampOf(values) {
  const numbers = values.filter((value) => value !== null);
  const low = Math.min(...numbers);
  const width = Math.max(...numbers) - low || 1;
  const stops = RAMP.map((color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16)));
  return (value) => {
    const place = ((value - low) / width) * (stops.length - 1);
    const at = Math.min(Math.floor(place), stops.length - 2);
    const channels = stops[at].map((from, channel) => Math.round(from + (stops[at + 1][channel] - from) * (place - at)));
    return `rgb(${channels.join(" ")})`;
  };
}
