// The duplicates view: groups of near-equal items side by side, with a mark on those to keep.

import * as api from "./api.js";
import { createCards } from "./cards.js";
import { errorMessage, showToast, statusMessage, toSentence } from "./dialogs.js";
import { announce, debounce, fill, h, icon } from "./dom.js";
import { formatBytes, formatClock, formatCount, formatDate, formatNumber, formatTimestamp } from "./format.js";
import { installKeys } from "./keys.js";
import { navigate } from "./route.js";
import { createRemovals, settleDeletions } from "./removals.js";
import { createEmptyMessage } from "./sample.js";

const POLL_MS = 1000;
const DEBOUNCE_MS = 400;
const PAGE_SIZE = 20;
const DEFAULT_SIMILARITY = 0.95;
const KEEP = { largest: "the largest", longest: "the longest", oldest: "the oldest" };

/** Creates the view in `root`; returns {update(route), close()}. */
export function createDuplicatesView(root, solution, { onChanged }) {
  let route = null;
  let asked = null;
  let request = null;
  let timer = 0;

  const change = (changes) => navigate({ ...route, ...changes }, { replace: true });
  const similarityInput = h("input", {
    type: "number",
    min: "0.01",
    max: "1",
    step: "0.01",
    required: true,
    oninput: debounce(changeSimilarity, DEBOUNCE_MS),
  });
  const keepInput = h(
    "select",
    { onchange: () => change({ s: keepInput.value === "largest" ? "" : keepInput.value }) },
    Object.entries(KEEP).map(([value, text]) => h("option", { value }, text)),
  );
  const summary = h("p.quiet");
  const state = h("p.quiet", { role: "status" });
  const listing = h("section.results", { "aria-label": "Groups of near-equal items" });
  const searchSimilar = (key) => navigate({ name: solution.name, q: `@${key}` });
  const removals = createRemovals(listing, solution, onChanged);
  const actions = { searchSimilar, remove: removals.remove };
  installKeys(listing, { searchSimilar, leave: () => similarityInput.focus() });
  fill(
    root,
    h(
      "div.duplicates-bar",
      h("label", "Similarity of at least", similarityInput),
      h("label", "Keep", keepInput),
      h("div.told", summary, state),
    ),
    listing,
  );

  function changeSimilarity() {
    if (!similarityInput.checkValidity()) return;
    const least = Number(similarityInput.value);
    change({ least: least === DEFAULT_SIMILARITY ? null : least });
  }

  const getQuestion = (offset = 0) => ({ ...asked, limit: PAGE_SIZE, offset });

  async function load() {
    request?.abort();
    clearTimeout(timer);
    request = new AbortController();
    try {
      await settleDeletions();
      const page = await api.getDuplicates(solution.name, getQuestion(), request.signal);
      if (page.groups) show(page);
      else fill(listing, waitingMessage(page.done));
      if (!page.is_current) timer = setTimeout(load, POLL_MS);
      state.textContent = page.groups && !page.is_current ? "The collection has changed; it is compared again." : "";
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(summary);
      if (error.status === 409 && !solution.items) fill(listing, createEmptyMessage(solution));
      else fill(listing, errorMessage(error, load));
    }
  }

  function waitingMessage(done) {
    fill(summary);
    const share = done > 0 ? `${Math.round(100 * done)}% of the comparisons are done.` : "This takes seconds, or minutes for large collections.";
    const message = statusMessage("near", "Comparing the items", `${share} Searches are answered meanwhile.`);
    message.classList.add("loading");
    return message;
  }

  function show(page) {
    const size = page.duplicate_bytes > 0 ? `, ${formatBytes(page.duplicate_bytes)}` : "";
    const way = page.method === "index" ? " Pairs were found through the index, which may miss some." : "";
    summary.textContent = page.group_count
      ? `${formatCount(page.group_count, "group")} among ${formatCount(page.items, "item")}; ` +
        `${formatNumber(page.duplicates)} need not be kept${size}. Nothing was removed.${way}`
      : "";
    announce(summary.textContent);
    if (!page.group_count) {
      const text = `No two of ${formatCount(page.items, "item")} have a similarity of ${page.similarity} or more.${way}`;
      fill(listing, statusMessage("near", "No near-equal items", text));
      return;
    }
    fill(listing);
    append(page, 0);
  }

  /** Appends a page of groups, and a button for the next one. */
  function append(page, before) {
    page.groups.forEach((group, index) => listing.append(createGroup(group, before + index + 1)));
    if (page.next === null) return;
    const button = h("button.secondary", { type: "button" }, `Show more (${formatNumber(page.next)} so far)`);
    const row = h("div.row.center", button);
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        const next = await api.getDuplicates(solution.name, getQuestion(page.next));
        if (!next.groups) return load();
        row.remove();
        append(next, page.next);
      } catch (error) {
        button.disabled = false;
        showToast(toSentence(error.message), { isBad: true });
      }
    });
    listing.append(row);
  }

  function createGroup({ count, items }, number) {
    const title = `Group ${number}`;
    const entries = items.map((item) => ({ ...item, similarity: item.similarity ?? undefined })); // as of an item of a list
    const list = createCards(entries, actions, title);
    items.forEach((item, index) => list.children[index].prepend(renderMark(item)));
    const hidden = count - items.length;
    return h(
      "section.group",
      { "aria-label": title },
      h(
        "div.heading",
        h("h2", title),
        h("span.quiet", formatCount(count, "item"), hidden > 0 && `, ${formatNumber(items.length)} of them here`),
      ),
      list,
    );
  }

  return {
    update(next) {
      route = next;
      const keep = route.s in KEEP ? route.s : "largest";
      const similarity = route.least > 0 && route.least <= 1 ? route.least : DEFAULT_SIMILARITY;
      if (document.activeElement !== similarityInput) similarityInput.value = similarity;
      keepInput.value = keep;
      if (asked?.similarity === similarity && asked.keep === keep) return;
      asked = { similarity, keep };
      load();
    },
    close() {
      request?.abort();
      clearTimeout(timer);
      removals.finish();
    },
  };
}

/** Renders whether an item is to be kept, and what tells it from the others. */
function renderMark({ keep, bytes, length, modified, kind, duplicate_of: original }) {
  const size = bytes !== null && formatBytes(bytes);
  const time = kind === "audio" || kind === "video" ? length !== null && formatClock(length) : false;
  const facts = [size, time, modified && formatDate(modified)].filter(Boolean).join(" · ");
  const changed = modified && `Changed ${formatTimestamp(modified)}`;
  return h(
    "div.mark",
    keep
      ? h("b.keep", { title: "Keep this one" }, icon("done"), "Keep")
      : h("span.quiet", { title: `Near-equal to ${original}` }, "Duplicate"),
    h("span.quiet.size", { title: changed }, facts),
  );
}
