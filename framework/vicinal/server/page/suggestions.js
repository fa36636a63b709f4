// Suggestions below an input while one types, where the encoder has queries to choose from.

import * as api from "./api.js";
import { debounce, fill, h, uniqueId } from "./dom.js";

const DEBOUNCE_MS = 120;
const MAX_SUGGESTIONS = 12;

/** Makes an input suggest queries; returns the list to put beside it, or null if the solution has none. */
export function attachSuggestions(input, solution) {
  if (!solution.query.suggests) return null;
  const list = h("datalist", { id: uniqueId("suggestions") });
  let request = null;
  let shown = null;

  async function suggest() {
    const prefix = input.value.trim();
    if (prefix === shown || !solution.items) return;
    shown = prefix;
    request?.abort();
    request = new AbortController();
    const queries = await api
      .suggestQueries(solution.name, prefix, MAX_SUGGESTIONS, request.signal)
      .catch(() => []);
    if (shown !== prefix) return;
    fill(
      list,
      queries.map((value) => h("option", { value })),
    );
  }

  input.setAttribute("list", list.id);
  input.addEventListener("input", debounce(suggest, DEBOUNCE_MS));
  input.addEventListener("focus", suggest);
  return list;
}
