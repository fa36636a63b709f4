// What the search view shows before anything is searched for: some of the items, and something to try.

import * as api from "./api.js";
import { createCards, createSkeletons } from "./cards.js";
import { errorMessage, statusMessage } from "./dialogs.js";
import { fill, h, icon } from "./dom.js";
import { getUpload } from "./query.js";

const SAMPLE_SIZES = { image: 12, svg: 12, video: 9, audio: 8, text: 6 };
const MAX_CHIPS = 5;
const MAX_CHIP_CHARS = 120;

/** Shows a few of the items, and queries to try: `onText` receives one that was clicked. */
export async function showSample(results, solution, route, actions, onText) {
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
    const chips = await listChips(solution, items, number);
    if (!results.querySelector(".loading")) return null;
    return fill(
      results,
      lostFile,
      chips.length > 0 &&
        h(
          "div.chips",
          h("span.quiet", "Try"),
          chips.map(([text, name]) =>
            h("button.chip", { type: "button", title: text, onclick: () => onText(text) }, name),
          ),
        ),
      h("div.heading", h("h2", "From the index"), h("span.quiet", "some of the items; pick one to find similar ones")),
      createCards(items.slice(0, number), actions, "Some indexed items"),
    );
  } catch (error) {
    return fill(
      results,
      errorMessage(error, () => showSample(results, solution, route, actions, onText)),
    );
  }
}

/** Creates the message of a solution without items, with what to do about it. */
export function createEmptyMessage(solution, advice = "Index the source, and its items can be searched here.") {
  const link = h(
    "a.button.primary",
    { href: `#/${encodeURIComponent(solution.name)}/index` },
    icon("stack"),
    "Index the source",
  );
  return statusMessage("stack", "Nothing is indexed yet", advice, link);
}

/** Returns queries to try, each with its name: what the encoder suggests, or else short contents that can be typed. */
async function listChips({ name, query }, items, number) {
  if (query.suggests) return (await api.suggestQueries(name, "", MAX_CHIPS)).map((text) => [text, text]);
  if (query.modalities[0]?.input !== "text") return [];
  return selectShortest(items.length > number + MAX_CHIPS ? items.slice(number) : items).map((item) => [
    item.content,
    query.renders === "svg" ? item.key : item.content,
  ]);
}

/** Returns the items with the shortest contents. */
function selectShortest(items) {
  const withContent = items.filter((item) => item.content && item.content.length <= MAX_CHIP_CHARS);
  return withContent.sort((one, other) => one.content.length - other.content.length).slice(0, MAX_CHIPS);
}
