// The view of what is indexed: page by page, with a way to add an item and to remove one.

import * as api from "/page/api.js";
import { addPanel } from "/page/adder.js";
import { cards, extend, skeletons } from "/page/cards.js";
import { failed, sentence, state, toast } from "/page/dialogs.js";
import { debounced, fill, h, icon } from "/page/dom.js";
import { count, plural } from "/page/format.js";
import { installKeys } from "/page/keys.js";
import { go } from "/page/route.js";

const PAGE = 24;
const TYPE_MS = 250;

/** Shows the view in `root`; returns {update(route), close()}. */
export function itemsView(root, solution, { changed }) {
  const waiting = new Set();
  let route = null;
  let prefix = null;
  let running = null;

  const similar = (key) => go({ name: solution.name, q: `@${key}` });
  const find = h("input", {
    type: "search",
    placeholder: "Key begins with …",
    "aria-label": "Show items whose key begins with",
    autocomplete: "off",
    spellcheck: "false",
    oninput: debounced(() => go({ name: solution.name, view: "items", p: find.value }, { replace: true }), TYPE_MS),
  });
  const told = h("span.quiet");
  const add = addPanel(solution, added);
  const addButton = h(
    "button.secondary",
    { type: "button", "aria-expanded": "false", onclick: toggleAdd },
    icon("plus"),
    "Add",
  );
  const listing = h("section.results", { "aria-label": "Items" });
  add.element.hidden = true;
  installKeys(listing, { similar, leave: () => find.focus() });
  fill(root, h("div.toolbar", find, told, h("span.grow"), addButton), add.element, listing);

  function toggleAdd() {
    add.element.hidden = !add.element.hidden;
    addButton.setAttribute("aria-expanded", !add.element.hidden);
    if (!add.element.hidden) add.focus();
  }

  function added() {
    changed();
    load();
  }

  async function load() {
    running?.abort();
    running = new AbortController();
    fill(listing, skeletons(solution.query.kind, 8));
    try {
      await more("", null, running.signal);
    } catch (error) {
      if (error.name !== "AbortError") fill(listing, failed(error, load));
    }
  }

  /** Reads a page and shows it; a page may be empty though more follow. */
  async function more(cursor, list, signal) {
    let [items, next] = [[], cursor];
    do {
      const page = await api.items(solution.name, { limit: PAGE, cursor: next, prefix }, signal);
      items = [...items, ...page.items];
      next = page.next;
      told.textContent = prefix ? `of ${plural(page.total, "item")}` : plural(page.total, "item");
    } while (next !== null && items.length < PAGE);
    if (list) extend(list, items, { similar, remove });
    else if (!items.length) return fill(listing, none());
    else list = cards(items, { similar, remove }, "Items");
    const shown = list.things.length;
    const button =
      next !== null &&
      h(
        "button.secondary",
        { type: "button", onclick: () => onward(next, list, button) },
        `Show more (${count(shown)} so far)`,
      );
    return fill(listing, list, button && h("div.row.center", button));
  }

  async function onward(cursor, list, button) {
    button.disabled = true;
    const at = list.children.length;
    try {
      await more(cursor, list);
      list.children[at]?.focus();
    } catch (error) {
      button.disabled = false;
      toast(sentence(error.message), { isBad: true });
    }
  }

  function none() {
    if (prefix) return state("search", "No such key", `No item has a key that begins with “${prefix}”.`);
    const link = h(
      "a.button.primary",
      { href: `#/${encodeURIComponent(solution.name)}/index` },
      icon("stack"),
      "Index the source",
    );
    return state("stack", "Nothing is indexed yet", "Index the source, or add an item by hand.", link);
  }

  /** Takes the card away at once, and the item when it is too late to undo. */
  function remove(key) {
    const card = [...listing.querySelectorAll(".card")].find((one) => one.dataset.key === key);
    if (!card || card.hidden) return;
    const next = card.nextElementSibling ?? card.previousElementSibling;
    card.hidden = true;
    next?.focus();
    const back = () => {
      waiting.delete(removal);
      card.hidden = false;
      card.focus();
    };
    const done = async () => {
      waiting.delete(removal);
      try {
        await api.remove(solution.name, key);
        card.remove();
        changed();
      } catch (error) {
        card.hidden = false;
        toast(`${key} was not removed: ${error.message}`, { isBad: true });
      }
    };
    const removal = toast(`Removed ${key}`, { undo: back, done });
    waiting.add(removal);
  }

  return {
    update(next) {
      route = next;
      if (document.activeElement !== find) find.value = route.p;
      if (route.p === prefix) return;
      prefix = route.p;
      load();
    },
    close() {
      running?.abort();
      for (const removal of [...waiting]) removal.finish();
    },
  };
}
