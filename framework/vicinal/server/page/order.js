// The order of the item list: by a declared field, up or down, with how many items have each of its values.

import { fill, h, icon, uniqueId } from "./dom.js";
import { formatCount, formatNumber, shorten, toText } from "./format.js";

const MAX_COUNTS = 12;
const MAX_VALUE_CHARS = 40;

/** Creates the select and the button of the order; `onChange` receives it: "", "year" or "-year". */
export function createOrderInput(solution, onChange) {
  const isTooLarge = solution.items > solution.max_sorted_items;
  const id = uniqueId("order");
  const select = h(
    "select",
    { id, disabled: isTooLarge, onchange: () => emitChange(false) },
    h("option", { value: "" }, "no order"),
    solution.fields.map(({ name }) => h("option", { value: name }, name)),
  );
  const direction = h("button.chip", { type: "button", onclick: () => emitChange(!isDescending()) });
  const isDescending = () => direction.dataset.order === "descending";
  const emitChange = (descending) => onChange(select.value && `${descending ? "-" : ""}${select.value}`);
  const title = isTooLarge ? `Up to ${formatCount(solution.max_sorted_items, "item")} can be sorted` : null;
  return {
    element: h(
      "div.order",
      { hidden: !solution.fields.length, title },
      h("label", { for: id }, "Sort by"),
      select,
      direction,
    ),
    show(order) {
      select.value = order.replace(/^-/, "");
      direction.hidden = !select.value;
      direction.dataset.order = order.startsWith("-") ? "descending" : "ascending";
      direction.setAttribute("aria-label", `Order: ${direction.dataset.order}`);
      fill(direction, icon(isDescending() ? "falling" : "rising"), h("span", direction.dataset.order));
    },
  };
}

/** Renders how many items have each value, the most frequent first; null if no two items have the same. */
export function renderCounts(counts) {
  if (!counts?.values.length || counts.values[0].items === 1) return null;
  const shown = counts.values.slice(0, MAX_COUNTS);
  const rest = counts.values.slice(MAX_COUNTS).reduce((sum, { items }) => sum + items, counts.others);
  return h(
    "ul.counts",
    { "aria-label": `Items by ${counts.field}` },
    shown.map(({ value, items }) => {
      const text = value === null || value === "" ? "none" : toText(value);
      return h("li.label", { title: text }, shorten(text, MAX_VALUE_CHARS), h("b", formatNumber(items)));
    }),
    rest > 0 && h("li.label", "others", h("b", formatNumber(rest))),
  );
}
