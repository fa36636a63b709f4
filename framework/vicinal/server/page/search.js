// The search view: the query box, the number of results, the filter, and the hits.

import * as api from "./api.js";
import { createCards, createSkeletons } from "./cards.js";
import { errorMessage, showToast, statusMessage } from "./dialogs.js";
import { announce, debounce, fill, h, icon, uniqueId } from "./dom.js";
import { createExampleStrip, hasExamples, markExamples, toggleExample } from "./examples.js";
import { buildExpression, countConditions, createFilterPanel, pickPatterns } from "./filters.js";
import { formatCount, formatMilliseconds } from "./format.js";
import { installKeys } from "./keys.js";
import { countOptions, createOptionsPanel } from "./options.js";
import { acceptFiles, createQueryBox, getUpload, storeUpload } from "./query.js";
import { MAX_LIMIT, navigate } from "./route.js";
import { createEmptyMessage, showSample } from "./sample.js";

const SLIDER_DEBOUNCE_MS = 180;

/** Creates the view in `root`; returns {update(route), close()}. */
export function createSearchView(root, solution) {
  let route = null;
  let lastSearch = "";
  let request = null;

  const change = (changes, options) => navigate({ ...route, ...changes }, options);
  const searchSimilar = (key) => {
    change({ q: `@${key}`, upload: "", like: [], unlike: [] });
    scrollTo({ top: 0, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  };
  const toggle = (kind, entry) => {
    strip.remember(entry);
    change(toggleExample(route, kind, entry.key));
  };
  const actions = { searchSimilar, examples: { toggle, getRoute: () => route } };
  const strip = createExampleStrip(solution, change);
  const searchByFile = (file) => change({ q: "", upload: storeUpload(file) });
  const box = createQueryBox(solution, {
    onText: (q) => (q === route.q ? run(true) : change({ q, upload: "" })),
    onFile: searchByFile,
    onClear: () => (route.q || route.upload) && change({ q: "", upload: "" }),
  });
  const filters = createFilterPanel(solution, (where, f) => change({ where, f }, { replace: true }));
  const slider = createLimitSlider((k) => change({ k }, { replace: true }));
  const options = createOptionsPanel((changes) => change(changes, { replace: true }));
  const filterButton = createPanelButton(() => openFilters());
  const optionsButton = createPanelButton(() => openOptions());
  const shareButton = h(
    "button.chip.quiet",
    { type: "button", title: "Copy the link to this search", "aria-label": "Copy link", onclick: copyLink },
    icon("link"),
    h("span", "Copy link"),
  );
  const results = h("section.results", { "aria-label": "Results" });
  const stopAccepting = solution.query.file ? acceptFiles(searchByFile) : () => {};

  filters.element.hidden = true;
  options.element.hidden = true;
  installKeys(results, { searchSimilar, leave: () => box.focus() });
  fill(
    root,
    h(
      "div.panel.query-panel",
      box.element,
      box.sketch,
      h("div.controls", slider.element, filterButton, optionsButton, h("span.grow"), shareButton),
      filters.element,
      options.element,
    ),
    strip.element,
    results,
  );
  document.addEventListener("keydown", onKey);

  function update(next) {
    route = next;
    box.show(route);
    slider.show(route.k);
    filters.show(route);
    options.show(route);
    strip.show(route);
    markExamples(results, route);
    const [conditionCount, optionCount] = [countConditions(route.where, route.f), countOptions(route)];
    fillPanelButton(filterButton, "filter", "Filter", conditionCount);
    fillPanelButton(optionsButton, "options", "Options", optionCount);
    if (conditionCount && filters.element.hidden && lastSearch === "") openFilters(true);
    if (optionCount && options.element.hidden && lastSearch === "") openOptions(true);
    shareButton.hidden = !route.q && !hasExamples(route);
    run();
  }

  function openOptions(isOpen = options.element.hidden) {
    options.element.hidden = !isOpen;
    optionsButton.setAttribute("aria-expanded", isOpen);
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
      examples: { like: route.like, unlike: route.unlike },
      diversity: route.diversity,
      least: route.least,
    };
    const isSearch = Boolean(search.query || search.file || route.like.length);
    const serialized = JSON.stringify([isSearch && { ...search, file: null }, route.upload]);
    if (serialized === lastSearch && !force) return;
    lastSearch = serialized;
    request?.abort();
    box.fail("");
    filters.fail("");
    options.fail("");
    if (!isSearch) return showStart();
    request = new AbortController();
    const { signal } = request;
    showBusy();
    try {
      showHits(await api.search(solution.name, search, signal));
    } catch (error) {
      if (error.name !== "AbortError") fail(error);
    }
  }

  function showStart() {
    return showSample(results, solution, route, actions, (q) => change({ q }));
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
      const reason = isFiltered ? "No item passes the filter." : route.least !== null ? "No item is as similar." : "";
      fill(results, statusMessage("search", "Nothing found", reason, action));
      return;
    }
    const list = createCards(hits, actions, `${formatCount(hits.length, "result")}, best first`);
    list.classList.add("found");
    const focused = [...results.querySelectorAll(".card")].indexOf(document.activeElement?.closest(".card"));
    fill(results, h("div.heading", h("h2", formatCount(hits.length, "result")), renderTimings(timings)), list);
    if (focused >= 0) list.children[Math.min(focused, hits.length - 1)].focus({ preventScroll: true });
  }

  function fail(error) {
    results.removeAttribute("aria-busy");
    const itemFilterNames = solution.query.item_filters.map(({ name }) => `item_filters.${name}`);
    const least = error.messageFor("min_similarity");
    const [query, filter] = [error.messageFor("query", "file"), error.messageFor("filter", ...itemFilterNames)];
    if (error.status === 409 && !solution.items) return fill(results, createEmptyMessage(solution));
    if (least) {
      openOptions(true);
      options.fail(least);
    } else if (query && (error.status === 422 || (error.status === 404 && !route.q.startsWith("@")))) {
      box.fail(query, error.hint);
      if (solution.query.suggests) return showStart();
    } else if (filter) {
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

function createPanelButton(onclick) {
  return h("button.chip.toggle", { type: "button", "aria-expanded": "false", onclick });
}

function fillPanelButton(button, iconName, label, count) {
  fill(button, icon(iconName), h("span", label), count > 0 && h("span.badge", count));
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
