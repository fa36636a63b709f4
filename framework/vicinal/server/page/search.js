// The search view: the query box, the number of results, the filter, and the hits.

import * as api from "./api.js";
import { createCards, createSkeletons } from "./cards.js";
import { errorMessage, showToast, statusMessage } from "./dialogs.js";
import { announce, debounce, fill, h, icon, uniqueId } from "./dom.js";
import { buildExpression, countConditions, createFilterPanel, pickPatterns } from "./filters.js";
import { formatCount, formatMilliseconds } from "./format.js";
import { installKeys } from "./keys.js";
import { acceptFiles, createQueryBox, getUpload, storeUpload } from "./query.js";
import { MAX_LIMIT, navigate } from "./route.js";

const SLIDER_DEBOUNCE_MS = 180;
const SAMPLE_SIZES = { image: 12, svg: 12, video: 9, audio: 8, text: 6 };
const MAX_CHIPS = 5;
const MAX_CHIP_CHARS = 120;

/** Creates the view in `root`; returns {update(route), close()}. */
export function createSearchView(root, solution) {
  let route = null;
  let lastSearch = "";
  let request = null;

  const change = (changes, options) => navigate({ ...route, ...changes }, options);
  const searchSimilar = (key) => {
    change({ q: `@${key}`, upload: "" });
    scrollTo({ top: 0, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  };
  const searchByFile = (file) => change({ q: "", upload: storeUpload(file) });
  const box = createQueryBox(solution, {
    onText: (q) => (q === route.q ? run(true) : change({ q, upload: "" })),
    onFile: searchByFile,
    onClear: () => (route.q || route.upload) && change({ q: "", upload: "" }),
  });
  const filters = createFilterPanel(solution, (where, f) => change({ where, f }, { replace: true }));
  const slider = createLimitSlider((k) => change({ k }, { replace: true }));
  const filterButton = h("button.chip.toggle", {
    type: "button",
    "aria-expanded": "false",
    onclick: () => openFilters(),
  });
  const shareButton = h(
    "button.chip.quiet",
    { type: "button", title: "Copy the link to this search", onclick: copyLink },
    icon("link"),
    h("span", "Copy link"),
  );
  const results = h("section.results", { "aria-label": "Results" });
  const stopAccepting = solution.query.file ? acceptFiles(searchByFile) : () => {};

  filters.element.hidden = true;
  installKeys(results, { searchSimilar, leave: () => box.focus() });
  fill(
    root,
    h(
      "div.panel.query-panel",
      box.element,
      box.sketch,
      h("div.controls", slider.element, filterButton, h("span.grow"), shareButton),
      filters.element,
    ),
    results,
  );
  document.addEventListener("keydown", onKey);

  function update(next) {
    route = next;
    box.show(route);
    slider.show(route.k);
    filters.show(route);
    const conditionCount = countConditions(route.where, route.f);
    fill(filterButton, icon("filter"), h("span", "Filter"), conditionCount > 0 && h("span.badge", conditionCount));
    if (conditionCount && filters.element.hidden && lastSearch === "") openFilters(true);
    shareButton.hidden = !route.q;
    run();
  }

  function openFilters(isOpen = filters.element.hidden) {
    filters.element.hidden = !isOpen;
    filterButton.setAttribute("aria-expanded", isOpen);
    if (isOpen) filters.suggest();
  }

  async function run(force = false) {
    const search = {
      query: route.q,
      file: getUpload(route.upload),
      limit: route.k,
      filter: buildExpression(solution.fields, route.where, route.f),
      patterns: pickPatterns(solution.query.item_filters, route.where),
    };
    const serialized = JSON.stringify([search.query, route.upload, search.limit, search.filter, search.patterns]);
    if (serialized === lastSearch && !force) return;
    lastSearch = serialized;
    request?.abort();
    box.fail("");
    filters.fail("");
    if (!search.query && !search.file)
      return showSample(results, solution, route, { searchSimilar, onText: (q) => change({ q }) });
    request = new AbortController();
    const { signal } = request;
    showBusy();
    try {
      showHits(await api.search(solution.name, search, signal));
    } catch (error) {
      if (error.name !== "AbortError") fail(error);
    }
  }

  function showBusy() {
    results.setAttribute("aria-busy", "true");
    if (!results.querySelector(".cards.found"))
      fill(results, createSkeletons(solution.query.renders, Math.min(route.k, 8)));
  }

  function showHits({ hits, timings_ms: timings }) {
    results.removeAttribute("aria-busy");
    announce(formatCount(hits.length, "result"));
    if (!hits.length) {
      const clear = () => change({ where: {}, f: "" });
      const isFiltered = countConditions(route.where, route.f) > 0;
      const action = isFiltered && h("button.secondary", { type: "button", onclick: clear }, "Remove the filter");
      fill(results, statusMessage("search", "Nothing found", isFiltered ? "No item passes the filter." : "", action));
      return;
    }
    const list = createCards(hits, { searchSimilar }, `${formatCount(hits.length, "result")}, most similar first`);
    list.classList.add("found");
    fill(results, h("div.heading", h("h2", formatCount(hits.length, "result")), renderTimings(timings)), list);
  }

  function fail(error) {
    results.removeAttribute("aria-busy");
    const itemFilterNames = solution.query.item_filters.map(({ name }) => `item_filters.${name}`);
    const [query, filter] = [error.messageFor("query", "file"), error.messageFor("filter", ...itemFilterNames)];
    if (error.status === 409 && !solution.items) return fill(results, createEmptyMessage(solution));
    if (query && error.status === 422) box.fail(query, error.hint);
    else if (filter) {
      openFilters(true);
      filters.fail(filter, error.hint);
    } else
      return fill(
        results,
        errorMessage(error, () => run(true)),
      );
    return fill(results);
  }

  async function copyLink() {
    await navigator.clipboard?.writeText(location.href).then(
      () => showToast("The link is copied"),
      () => showToast("The browser does not allow copying; copy the address from its bar"),
    );
  }

  function onKey(event) {
    const isTyping = event.target.closest?.("input, textarea, select, dialog");
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      box.focus();
    } else if (event.key === "ArrowDown" && event.target.matches?.(".query")) {
      event.preventDefault();
      results.querySelector(".card")?.focus();
    } else if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
      if (event.target.closest?.(".results")) box.focus();
      else if (event.target.matches?.(".query")) event.target.blur();
    }
  }

  return {
    update,
    close() {
      request?.abort();
      stopAccepting();
      document.removeEventListener("keydown", onKey);
    },
  };
}

function createLimitSlider(onChange) {
  const id = uniqueId("limit");
  const output = h("output", { for: id });
  const input = h("input", { type: "range", id, min: 1, max: MAX_LIMIT, step: 1, oninput: onInput });
  const emitSoon = debounce(() => onChange(Number(input.value)), SLIDER_DEBOUNCE_MS);
  function onInput() {
    paint();
    emitSoon();
  }
  function paint() {
    output.textContent = input.value;
    input.style.setProperty("--at", (input.value - 1) / (MAX_LIMIT - 1));
  }
  return {
    element: h("div.limit", h("label", { for: id }, "Results"), input, output),
    show(k) {
      input.value = k;
      paint();
    },
  };
}

/** Renders how long the search and each of its parts took. */
function renderTimings(timings) {
  const parts = Object.entries(timings).filter(([name]) => name !== "total");
  return h(
    "span.timings",
    { title: parts.map(([name, value]) => `${name} ${formatMilliseconds(value)}`).join(" · ") },
    h("b", formatMilliseconds(timings.total)),
    parts.map(([name, value]) => h("span", `${name} ${formatMilliseconds(value)}`)),
  );
}

function createEmptyMessage(solution) {
  const link = h(
    "a.button.primary",
    { href: `#/${encodeURIComponent(solution.name)}/index` },
    icon("stack"),
    "Index the source",
  );
  return statusMessage(
    "stack",
    "Nothing is indexed yet",
    "Index the source, and its items can be searched here.",
    link,
  );
}

/** Shows a few of the items before anything is searched for. */
async function showSample(results, solution, route, { searchSimilar, onText }) {
  if (!solution.items) return fill(results, createEmptyMessage(solution));
  const kind = solution.query.renders;
  const number = SAMPLE_SIZES[kind] ?? 6;
  const lostFile =
    route.upload &&
    !getUpload(route.upload) &&
    h("p.note", "The file of this search is no longer available. Choose it again.");
  fill(results, lostFile, createSkeletons(kind, number));
  try {
    const { items } = await api.listItems(solution.name, { limit: number + 3 * MAX_CHIPS });
    if (!results.querySelector(".loading")) return null;
    const chips = solution.query.text
      ? selectShortest(items.length > number + MAX_CHIPS ? items.slice(number) : items)
      : [];
    return fill(
      results,
      lostFile,
      chips.length > 0 &&
        h(
          "div.chips",
          h("span.quiet", "Try"),
          chips.map((item) => createChip(item, kind, onText)),
        ),
      h("div.heading", h("h2", "From the index"), h("span.quiet", "some of the items; pick one to find similar ones")),
      createCards(items.slice(0, number), { searchSimilar }, "Some indexed items"),
    );
  } catch (error) {
    return fill(
      results,
      errorMessage(error, () => showSample(results, solution, route, { searchSimilar, onText })),
    );
  }
}

/** Returns the items with the shortest contents, as examples. */
function selectShortest(items) {
  const withContent = items.filter((item) => item.content && item.content.length <= MAX_CHIP_CHARS);
  return withContent.sort((one, other) => one.content.length - other.content.length).slice(0, MAX_CHIPS);
}

function createChip(item, kind, onText) {
  const name = kind === "svg" ? item.key : item.content;
  return h("button.chip", { type: "button", title: item.content, onclick: () => onText(item.content) }, name);
}
