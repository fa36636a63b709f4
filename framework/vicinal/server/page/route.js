// Where the reader is, kept in the address after #, so that a search can be shared and Back works.
//   #/qa?q=how+do+I&k=5&w.topic=index&w.topic=metric    #/qa/items?p=mil    #/qa/index

export const VIEWS = ["search", "items", "index"];
export const DEFAULT_K = 10;
export const MOST_K = 100;

/** {name, view, q, upload, k, where: {field: [text]}, f, p} of an address. */
export function parse(hash) {
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
    k: k >= 1 ? Math.min(k, MOST_K) : DEFAULT_K,
    where,
    f: params.get("f") ?? "",
    p: params.get("p") ?? "",
  };
}

/** The address of a route; what it leaves out has its default. */
export function format({ name, view = "search", q, upload, k = DEFAULT_K, where = {}, f, p }) {
  const params = new URLSearchParams();
  if (q) params.set("q", q);
  if (upload) params.set("upload", upload);
  if (view === "search" && k !== DEFAULT_K) params.set("k", k);
  for (const [field, texts] of Object.entries(where)) for (const text of texts) params.append(`w.${field}`, text);
  if (f) params.set("f", f);
  if (p) params.set("p", p);
  const query = params.toString();
  return `#/${encodeURIComponent(name)}${view === "search" ? "" : `/${view}`}${query ? `?${query}` : ""}`;
}

/** Goes to a route; with `replace` Back does not come here again. */
export function go(route, { replace = false } = {}) {
  const address = format(route);
  if (address === location.hash) replace = true;
  history[replace ? "replaceState" : "pushState"](null, "", address);
  window.dispatchEvent(new Event("routed"));
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
