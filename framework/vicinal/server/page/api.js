// Calls of the HTTP API. Every failure is an ApiError.

// The server's root, which a proxy may serve under a path prefix.
const ROOT = new URL("..", import.meta.url);

/** An error that the API reported; `status` is 0 if the server did not respond at all. */
export class ApiError extends Error {
  constructor(status, body, retryAfter) {
    super(body.error || `HTTP status ${status}`);
    this.status = status;
    this.errors = body.errors ?? [];
    this.hint = body.hint ?? "";
    this.retryAfter = retryAfter;
  }

  /** Returns the message about the first of these parameters, without its name; "" if there is none. */
  messageFor(...names) {
    for (const line of this.errors) {
      const name = names.find((name) => line.startsWith(`${name}: `));
      if (name) return line.slice(name.length + 2);
    }
    return "";
  }

  /** Whether the same request may succeed a little later. */
  get isTemporary() {
    return [0, 429, 502, 503, 504].includes(this.status);
  }
}

let askForKey = async () => false;
let keyPrompt = null;

/** Sets the function that asks for an API key; it resolves to whether a valid one was given. */
export function setKeyPrompt(ask) {
  askForKey = ask;
}

/** Calls a route and returns its JSON, or null if the response has no body. A form is sent as it is, anything else as
    JSON. Throws ApiError, and an AbortError when the signal aborts it. */
export async function fetchJson(path, { method = "GET", body, signal } = {}) {
  const response = await request(path, { method, body, signal });
  return response.status === 204 ? null : response.json();
}

/** Calls a route and returns its body as a Blob. */
export async function fetchBlob(path, options) {
  return (await request(path, options)).blob();
}

async function request(path, options) {
  const response = await send(path, options);
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  if (response.status === 401 && (await promptForKey())) return request(path, options);
  throw new ApiError(response.status, body, Number(response.headers.get("Retry-After")) || 3);
}

async function send(path, { method = "GET", body, signal } = {}) {
  const isForm = body instanceof FormData;
  const init = { method, signal, headers: {}, credentials: "same-origin" };
  if (body !== undefined) {
    init.body = isForm ? body : JSON.stringify(body);
    if (!isForm) init.headers["Content-Type"] = "application/json";
  }
  try {
    return await fetch(resolve(path), init);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { error: "The server does not respond", hint: "Is it still running?" }, 3);
  }
}

async function promptForKey() {
  keyPrompt ??= askForKey().finally(() => {
    keyPrompt = null;
  });
  return keyPrompt;
}

/** Sends a key to the server, which stores it in a cookie that scripts cannot read; returns whether it is valid. */
export async function createSession(key) {
  const response = await send("api/session", { method: "POST", body: { key } });
  return response.ok;
}

const resolve = (path) => new URL(path, ROOT).href;
const solutionPath = (name, rest = "") => `api/${encodeURIComponent(name)}${rest}`;
const itemPath = (name, key) => solutionPath(name, `/items/${encodeURIComponent(key)}`);

export const listSolutions = async () => (await fetchJson("api/solutions")).solutions;

/** Returns the URLs of an item: {content_url, whole_url}. */
export function resolveUrls(name, key) {
  const path = itemPath(name, key);
  return { content_url: resolve(`${path}/content`), whole_url: resolve(`${path}?whole=true`) };
}

// The path in `content_url` has the prefix of a proxy only if the server knows it, so it is resolved here.
const withUrls = (name, entry) => ({ ...entry, ...resolveUrls(name, entry.key) });

/** Searches by something typed, `@key`, or a file, by examples (lists of keys), or by both. */
export async function search(name, { query, file, limit, filter, patterns, examples, diversity, least }, signal) {
  const lists = Object.entries(examples).filter(([, keys]) => keys.length);
  const options = {
    ...Object.fromEntries(lists.map(([kind, keys]) => [kind, keys.map((key) => `@${key}`)])),
    ...(diversity > 0 && { diversity }),
    ...(least !== null && { min_similarity: least }),
  };
  const body = file
    ? toForm({ file, limit, filter, ...toJsonValues({ item_filters: patterns, ...options }) })
    : { ...(query && { query }), limit, filter, item_filters: patterns, ...options };
  const result = await fetchJson(solutionPath(name, "/search"), { method: "POST", body, signal });
  return { ...result, hits: result.hits.map((hit) => withUrls(name, hit)) };
}

export const renderQuery = (name, query, color, signal) =>
  fetchBlob(solutionPath(name, "/render"), { method: "POST", body: { query, color }, signal });

export async function suggestQueries(name, prefix, limit, signal) {
  const path = solutionPath(name, `/suggestions?${new URLSearchParams({ prefix, limit })}`);
  return (await fetchJson(path, { signal })).queries;
}

export async function listItems(name, { limit, cursor = "", prefix = "", sort = "", counts = "" }, signal) {
  const params = new URLSearchParams({ limit, cursor, prefix, sort, counts });
  const page = await fetchJson(solutionPath(name, `/items?${params}`), { signal });
  return { ...page, items: page.items.map((item) => withUrls(name, item)) };
}

export const getItem = async (name, key) => withUrls(name, await fetchJson(itemPath(name, key)));
export const addText = (name, entry) => fetchJson(solutionPath(name, "/items"), { method: "POST", body: entry });
export const deleteItem = (name, key) => fetchJson(itemPath(name, key), { method: "DELETE" });

export function addFile(name, file, key, metadata) {
  return fetchJson(solutionPath(name, "/items"), {
    method: "POST",
    body: toForm({ file, key, metadata: JSON.stringify(metadata) }),
  });
}

export const contentUrl = (name, key) => resolve(`${itemPath(name, key)}/content`);
export const getMap = (name, signal) => fetchJson(solutionPath(name, "/map"), { signal });

/** Gets a page of groups of near-equal items, or how far their computation is: {state, done}. */
export async function getDuplicates(name, { similarity, keep, limit, offset = 0 }, signal) {
  const params = new URLSearchParams({ similarity, keep, limit, offset });
  const page = await fetchJson(solutionPath(name, `/duplicates?${params}`), { signal });
  const groups = page.groups?.map((group) => ({ ...group, items: group.items.map((item) => withUrls(name, item)) }));
  return { ...page, groups };
}

export const getEvaluation = (name, signal) => fetchJson(solutionPath(name, "/evaluation"), { signal });
export const getStats = (name) => fetchJson(solutionPath(name, "/stats"));
export const listFailures = (name, cursor = "") =>
  fetchJson(solutionPath(name, `/failures?${new URLSearchParams({ limit: 50, cursor })}`));
export const startIngest = (name, prune) =>
  fetchJson(solutionPath(name, "/ingest"), { method: "POST", body: { prune } });
export const startRetry = (name) => fetchJson(solutionPath(name, "/failures/retry"), { method: "POST" });
export const getJob = (name, id) => fetchJson(solutionPath(name, `/ingest/${id}`));
export const cancelJob = (name, id) => fetchJson(solutionPath(name, `/ingest/${id}`), { method: "DELETE" });

/** Follows a job: `onUpdate(job, hasEnded)` receives each of its states. Returns a function that stops following. */
export function followJob(name, id, onUpdate) {
  const source = new EventSource(resolve(solutionPath(name, `/ingest/${id}/events`)));
  let timer = 0;
  const stop = () => {
    source.close();
    clearTimeout(timer);
  };
  const poll = async () => {
    const job = await getJob(name, id).catch(() => null);
    const hasEnded = job !== null && job.ended !== null;
    if (job) onUpdate(job, hasEnded);
    if (!hasEnded) timer = setTimeout(poll, 1000);
  };
  source.addEventListener("progress", (event) => onUpdate(JSON.parse(event.data), false));
  source.addEventListener("end", (event) => {
    const job = JSON.parse(event.data);
    source.close();
    if (job.ended === null)
      timer = setTimeout(poll, 1000); // the server is shutting down; the job has not ended
    else onUpdate(job, true);
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) poll(); // the server refuses another stream
  });
  return stop;
}

const toJsonValues = (values) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, JSON.stringify(value)]));

function toForm(values) {
  const data = new FormData();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== "") data.append(name, value);
  }
  return data;
}
