// The route: the state of the page, kept in the fragment of the URL, so that a search can be shared and Back works.
//   #/qa?q=how+do+I&k=5&w.topic=index&w.topic=metric    #/qa/items?p=mil    #/qa/index

export const VIEWS = ["search", "items", "map", "index"];
export const DEFAULT_LIMIT = 10;
export const MAX_LIMIT = 100;

/** Parses a fragment: {name, view, q, upload, k, where: {field: [text]}, f, p}. */
export function parseRoute(hash) {
  const [path, ...rest] = hash.replace(/^#\/?/, "").split("?");
  const [name = "", view = ""] = path.split("/").map(decode);
  const params = new URLSearchParams(rest.join("?"));
  const where = {};
  for (const key of new Set(params.keys())) if (key.startsWith("w.")) where[key.slice(2)] = params.getAll(key);
  const k = Math.round(Number(params.get("k")));
  return {
    name,
    view: VIEWS.includes(view) ? view : "search",
    q: params.get("q") ?? "",
    upload: params.get("upload") ?? "",
    k: k >= 1 ? Math.min(k, MAX_LIMIT) : DEFAULT_LIMIT,
    where,
    f: params.get("f") ?? "",
    p: params.get("p") ?? "",
  };
}

/** Formats a route as a fragment; defaults are left out. */
export function formatRoute({ name, view = "search", q, upload, k = DEFAULT_LIMIT, where = {}, f, p }) {
  const params = new URLSearchParams();
  if (q) params.set("q", q);
  if (upload) params.set("upload", upload);
  if (view === "search" && k !== DEFAULT_LIMIT) params.set("k", k);
  for (const [field, texts] of Object.entries(where)) for (const text of texts) params.append(`w.${field}`, text);
  if (f) params.set("f", f);
  if (p) params.set("p", p);
  const query = params.toString();
  return `#/${encodeURIComponent(name)}${view === "search" ? "" : `/${view}`}${query ? `?${query}` : ""}`;
}

/** Navigates to a route; with `replace` it replaces the entry in the history. */
export function navigate(route, { replace = false } = {}) {
  const fragment = formatRoute(route);
  if (fragment === location.hash) replace = true;
  history[replace ? "replaceState" : "pushState"](null, "", fragment);
  window.dispatchEvent(new Event("routed"));
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
