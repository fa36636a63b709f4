// The view that searches: the box, the number of results, the filter, and what was found.

import * as api from "/page/api.js";
import { cards, skeletons } from "/page/cards.js";
import { failed, state, toast } from "/page/dialogs.js";
import { announce, debounced, fill, h, icon, uniqueId } from "/page/dom.js";
import { conditions, expression, filterPanel } from "/page/filters.js";
import { milliseconds, plural } from "/page/format.js";
import { installKeys } from "/page/keys.js";
import { keepUpload, queryBox, takeFiles, upload } from "/page/query.js";
import { go, MOST_K } from "/page/route.js";

const SLIDE_MS = 180;
const SAMPLE = { image: 12, svg: 12, video: 9, audio: 8, text: 6 };
const CHIPS = 5;

/** Shows the view in `root`; returns {update(route), close()}. */
export function searchView(root, solution) {
  let route = null;
  let asked = "";
  let running = null;

  const go_ = (change, options) => go({ ...route, ...change }, options);
  const similar = (key) => {
    go_({ q: `@${key}`, upload: "" });
    scrollTo({ top: 0, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  };
  const byFile = (file) => go_({ q: "", upload: keepUpload(file) });
  const box = queryBox(solution, {
    onText: (q) => (q === route.q ? run(true) : go_({ q, upload: "" })),
    onFile: byFile,
    onClear: () => (route.q || route.upload) && go_({ q: "", upload: "" }),
  });
  const filters = filterPanel(solution, (where, f) => go_({ where, f }, { replace: true }));
  const slider = limitSlider((k) => go_({ k }, { replace: true }));
  const filterButton = h("button.chip.toggle", {
    type: "button",
    "aria-expanded": "false",
    onclick: () => openFilters(),
  });
  const share = h(
    "button.chip.quiet",
    { type: "button", title: "Copy the address of this search", onclick: copyLink },
    icon("link"),
    h("span", "Copy link"),
  );
  const results = h("section.results", { "aria-label": "Results" });
  const stopFiles = solution.query.file ? takeFiles(byFile) : () => {};

  filters.element.hidden = true;
  installKeys(results, { similar, leave: () => box.focus() });
  fill(
    root,
    h(
      "div.panel.asking",
      box.element,
      box.sketch,
      h("div.controls", slider.element, filterButton, h("span.grow"), share),
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
    const number = conditions(route.where, route.f);
    fill(filterButton, icon("filter"), h("span", "Filter"), number > 0 && h("span.badge", number));
    if (number && filters.element.hidden && asked === "") openFilters(true);
    share.hidden = !route.q;
    run();
  }

  function openFilters(open = filters.element.hidden) {
    filters.element.hidden = !open;
    filterButton.setAttribute("aria-expanded", open);
    if (open) filters.suggest();
  }

  async function run(again = false) {
    const wish = {
      query: route.q,
      file: upload(route.upload),
      limit: route.k,
      filter: expression(solution.fields, route.where, route.f),
    };
    const mark = JSON.stringify([wish.query, route.upload, wish.limit, wish.filter]);
    if (mark === asked && !again) return;
    asked = mark;
    running?.abort();
    box.fail("");
    filters.fail("");
    if (!wish.query && !wish.file) return land(results, solution, route, { similar, onText: (q) => go_({ q }) });
    running = new AbortController();
    const { signal } = running;
    busy();
    try {
      show(await api.search(solution.name, wish, signal));
    } catch (error) {
      if (error.name !== "AbortError") fail(error);
    }
  }

  function busy() {
    results.setAttribute("aria-busy", "true");
    if (!results.querySelector(".cards.found")) fill(results, skeletons(solution.query.kind, Math.min(route.k, 8)));
  }

  function show({ hits, timings_ms: timings }) {
    results.removeAttribute("aria-busy");
    announce(plural(hits.length, "result"));
    if (!hits.length) {
      const clear = () => go_({ where: {}, f: "" });
      const filtered = conditions(route.where, route.f) > 0;
      const action = filtered && h("button.secondary", { type: "button", onclick: clear }, "Remove the filter");
      fill(results, state("search", "Nothing found", filtered ? "No item passes the filter." : "", action));
      return;
    }
    const list = cards(hits, { similar }, `${plural(hits.length, "result")}, nearest first`);
    list.classList.add("found");
    fill(results, h("div.heading", h("h2", plural(hits.length, "result")), timed(timings)), list);
  }

  function fail(error) {
    results.removeAttribute("aria-busy");
    const [query, filter] = [error.about("query", "file"), error.about("filter")];
    if (error.status === 409 && !solution.items) return fill(results, nothingIndexed(solution));
    if (query && error.status === 422) box.fail(query, error.hint);
    else if (filter) {
      openFilters(true);
      filters.fail(filter, error.hint);
    } else
      return fill(
        results,
        failed(error, () => run(true)),
      );
    return fill(results);
  }

  async function copyLink() {
    await navigator.clipboard?.writeText(location.href).then(
      () => toast("The address is copied"),
      () => toast("It cannot be copied here; the address bar has it"),
    );
  }

  function onKey(event) {
    const typing = event.target.closest?.("input, textarea, select, dialog");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
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
      running?.abort();
      stopFiles();
      document.removeEventListener("keydown", onKey);
    },
  };
}

function limitSlider(onChange) {
  const id = uniqueId("limit");
  const output = h("output", { for: id });
  const input = h("input", { type: "range", id, min: 1, max: MOST_K, step: 1, oninput: moved });
  const later = debounced(() => onChange(Number(input.value)), SLIDE_MS);
  function moved() {
    paint();
    later();
  }
  function paint() {
    output.textContent = input.value;
    input.style.setProperty("--at", (input.value - 1) / (MOST_K - 1));
  }
  return {
    element: h("div.limit", h("label", { for: id }, "Results"), input, output),
    show(k) {
      input.value = k;
      paint();
    },
  };
}

/** How long it took, part by part. */
function timed(timings) {
  const parts = Object.entries(timings).filter(([name]) => name !== "total");
  return h(
    "span.timings",
    { title: parts.map(([name, value]) => `${name} ${milliseconds(value)}`).join(" · ") },
    h("b", milliseconds(timings.total)),
    parts.map(([name, value]) => h("span", `${name} ${milliseconds(value)}`)),
  );
}

function nothingIndexed(solution) {
  const link = h(
    "a.button.primary",
    { href: `#/${encodeURIComponent(solution.name)}/index` },
    icon("stack"),
    "Index the source",
  );
  return state("stack", "Nothing is indexed yet", "Read the source once, and its items can be found here.", link);
}

/** What is shown before anything was asked: a few of the items, to begin with. */
async function land(results, solution, route, { similar, onText }) {
  if (!solution.items) return fill(results, nothingIndexed(solution));
  const kind = solution.query.kind;
  const number = SAMPLE[kind === "smiles" ? "svg" : kind] ?? 6;
  const lost =
    route.upload && !upload(route.upload) && h("p.note", "The file of this search is not kept. Choose it again.");
  fill(results, lost, skeletons(kind, number));
  try {
    const { items } = await api.items(solution.name, { limit: number + 3 * CHIPS });
    if (!results.querySelector(".loading")) return null;
    const chips = solution.query.text ? shortest(items.length > number + CHIPS ? items.slice(number) : items) : [];
    return fill(
      results,
      lost,
      chips.length > 0 &&
        h(
          "div.chips",
          h("span.quiet", "Try"),
          chips.map((item) => chip(item, kind, onText)),
        ),
      h(
        "div.heading",
        h("h2", "From the index"),
        h("span.quiet", "a few of what is there; pick one to find its neighbours"),
      ),
      cards(items.slice(0, number), { similar }, "Some indexed items"),
    );
  } catch (error) {
    return fill(
      results,
      failed(error, () => land(results, solution, route, { similar, onText })),
    );
  }
}

/** Contents to begin with: those that are quickly read. */
function shortest(items) {
  const texts = items.filter((item) => item.content);
  return texts.sort((one, other) => one.content.length - other.content.length).slice(0, CHIPS);
}

function chip(item, kind, onText) {
  const name = kind === "smiles" ? item.key : item.content;
  return h("button.chip", { type: "button", title: item.content, onclick: () => onText(item.content) }, name);
}
