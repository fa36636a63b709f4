// The items view: what is indexed, page by page, with a panel to add items and a button to remove one.

import * as api from "./api.js";
import { createAddPanel } from "./adder.js";
import { appendCards, createCards, createSkeletons } from "./cards.js";
import { errorMessage, showToast, statusMessage, toSentence } from "./dialogs.js";
import { debounce, fill, h, icon } from "./dom.js";
import { createExampleStrip, markExamples, toggleExample } from "./examples.js";
import { formatCount, formatNumber } from "./format.js";
import { installKeys } from "./keys.js";
import { createOrderInput, renderCounts } from "./order.js";
import { createRemovals, settleDeletions } from "./removals.js";
import { formatRoute, navigate } from "./route.js";
import { createEmptyMessage } from "./sample.js";

const PAGE_SIZE = 24;
const DEBOUNCE_MS = 250;

/** Creates the view in `root`; returns {update(route), close()}. */
export function createItemsView(root, solution, { onChanged }) {
  let route = null;
  let requested = null;
  let request = null;

  const change = (changes, options) => navigate({ ...route, ...changes }, options);
  const toggle = (kind, entry) => {
    strip.remember(entry);
    change(toggleExample(route, kind, entry.key), { replace: true });
  };
  const strip = createExampleStrip(
    solution,
    (examples) => change(examples, { replace: true }),
    renderResultsLink,
  );
  const searchSimilar = (key) => navigate({ name: solution.name, q: `@${key}` });
  const prefixInput = h("input", {
    type: "search",
    placeholder: "Key begins with …",
    "aria-label": "Show items whose key begins with",
    autocomplete: "off",
    spellcheck: "false",
    oninput: debounce(() => change({ p: prefixInput.value }, { replace: true }), DEBOUNCE_MS),
  });
  const order = createOrderInput(solution, (s) => change({ s }, { replace: true }));
  const counts = h("div.counted");
  const total = h("span.quiet");
  const panel = createAddPanel(solution, onAdded);
  const addButton = h(
    "button.secondary",
    { type: "button", "aria-expanded": "false", onclick: togglePanel },
    icon("plus"),
    "Add",
  );
  const listing = h("section.results", { "aria-label": "Items" });
  const removals = createRemovals(listing, solution, onChanged);
  const actions = { searchSimilar, examples: { toggle, getRoute: () => route }, remove: removals.remove };
  panel.element.hidden = true;
  installKeys(listing, { searchSimilar, leave: () => prefixInput.focus() });
  fill(
    root,
    h("div.toolbar", prefixInput, total, h("span.grow"), order.element, addButton),
    panel.element,
    strip.element,
    counts,
    listing,
  );

  function renderResultsLink({ like, unlike }) {
    const href = formatRoute({ name: solution.name, like, unlike });
    return like.length > 0 && h("a.button.secondary", { href }, "Show results");
  }

  function togglePanel() {
    panel.element.hidden = !panel.element.hidden;
    addButton.setAttribute("aria-expanded", !panel.element.hidden);
    if (!panel.element.hidden) panel.focus();
  }

  function onAdded() {
    onChanged();
    load();
  }

  async function load() {
    request?.abort();
    request = new AbortController();
    fill(listing, createSkeletons(solution.query.renders, 8));
    fill(counts);
    const { signal } = request;
    try {
      await settleDeletions();
      await loadPage("", null, signal);
    } catch (error) {
      if (error.name !== "AbortError") fill(listing, errorMessage(error, load));
    }
  }

  /** Loads a page and shows it; a page may be empty although more follow. */
  async function loadPage(cursor, list, signal) {
    const { p: prefix, s: sort } = route;
    let [items, next] = [[], cursor];
    do {
      const field = cursor || !sort ? "" : sort.replace(/^-/, "");
      const page = await api.listItems(
        solution.name,
        { limit: PAGE_SIZE, cursor: next, prefix, sort, counts: field },
        signal,
      );
      items = [...items, ...page.items];
      next = page.next;
      if (page.counts) fill(counts, renderCounts(page.counts));
      total.textContent = prefix ? `of ${formatCount(page.total, "item")}` : formatCount(page.total, "item");
    } while (next !== null && items.length < PAGE_SIZE);
    if (list) appendCards(list, items, actions);
    else if (!items.length) return fill(listing, createMessage());
    else list = createCards(items, actions, "Items");
    const shown = list.entries.length;
    const button =
      next !== null &&
      h(
        "button.secondary",
        { type: "button", onclick: () => loadMore(next, list, button) },
        `Show more (${formatNumber(shown)} so far)`,
      );
    return fill(listing, list, button && h("div.row.center", button));
  }

  async function loadMore(cursor, list, button) {
    button.disabled = true;
    const firstNew = list.children.length;
    try {
      await loadPage(cursor, list);
      list.children[firstNew]?.focus();
    } catch (error) {
      if (error.messageFor("cursor")) return load(); // the item that it stands for was removed
      button.disabled = false;
      showToast(toSentence(error.message), { isBad: true });
    }
  }

  function createMessage() {
    if (route.p) return statusMessage("search", "No such key", `No item has a key that begins with “${route.p}”.`);
    return createEmptyMessage(solution, "Index the source, or add an item by hand.");
  }

  return {
    update(next) {
      route = next;
      if (document.activeElement !== prefixInput) prefixInput.value = route.p;
      order.show(route.s);
      strip.show(route);
      markExamples(listing, route);
      const wanted = JSON.stringify([route.p, route.s]);
      if (wanted === requested) return;
      requested = wanted;
      load();
    },
    close() {
      request?.abort();
      removals.finish();
    },
  };
}
