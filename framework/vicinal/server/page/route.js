// The route: the state of the page, kept in the fragment of the URL, so that a search can be shared and Back works.
//   #/qa?q=how+do+I&k=5&w.topic=index&w.topic=metric    #/qa?like=17&unlike=3    #/qa/items?p=mil&s=-year    #/qa/duplicates?min=0.9&s=oldest

export const VIEWS = ["search", "items", "map", "duplicates", "evaluate", "index"];
export const DEFAULT_LIMIT = 10;
export const MAX_LIMIT = 100;

/** Parses a fragment: {name, view, q, upload, like: [key], unlike: [key], k, diversity, least, where: {field: [text]},
    f, p, s}. */
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
    like: [...new Set(params.getAll("like"))],
    unlike: [...new Set(params.getAll("unlike"))],
    k: k >= 1 ? Math.min(k, MAX_LIMIT) : DEFAULT_LIMIT,
    diversity: Math.min(1, Math.max(0, Number(params.get("d")) || 0)),
    least: parseNumber(params.get("min")),
    where,
    f: params.get("f") ?? "",
    p: params.get("p") ?? "",
    s: params.get("s") ?? "",
  };
}

/** Formats a route as a fragment; defaults are left out. */
export function formatRoute(route) {
  const { name, view = "search", q, upload, like = [], unlike = [], where = {}, f, p, s } = route;
  const { k = DEFAULT_LIMIT, diversity = 0, least = null } = route;
  const params = new URLSearchParams();
  if (q) params.set("q", q);
  if (upload) params.set("upload", upload);
  for (const key of like) params.append("like", key);
  for (const key of unlike) params.append("unlike", key);
  if (diversity) params.set("d", diversity);
  if (least !== null) params.set("min", least);
  if (view === "search" && k !== DEFAULT_LIMIT) params.set("k", k);
  for (const [field, texts] of Object.entries(where)) for (const text of texts) params.append(`w.${field}`, text);
  if (f) params.set("f", f);
  if (p) params.set("p", p);
  if (s) params.set("s", s);
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

function parseNumber(text) {
  return text?.trim() && Number.isFinite(Number(text)) ? Number(text) : null;
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
