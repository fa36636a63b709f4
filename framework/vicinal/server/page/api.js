// Talking to the API: one way in, one kind of error.

/** What went wrong, as the API says it; `status` is 0 when the server did not answer at all. */
export class ApiError extends Error {
  constructor(status, body, retryAfter) {
    super(body.error || `the server answered ${status}`);
    this.status = status;
    this.errors = body.errors ?? [];
    this.hint = body.hint ?? "";
    this.retryAfter = retryAfter;
  }

  /** What it says about this parameter, without its name; "" if it is about something else. */
  about(...names) {
    for (const line of this.errors) {
      const name = names.find((name) => line.startsWith(`${name}: `));
      if (name) return line.slice(name.length + 2);
    }
    return "";
  }

  /** Whether the same request may well succeed a little later. */
  get passing() {
    return [0, 429, 502, 503, 504].includes(this.status);
  }
}

let askForKey = async () => false;
let asking = null;

/** Sets what to do when a key is needed: it answers whether one was given. */
export function onKeyNeeded(ask) {
  askForKey = ask;
}

/** Calls a route and returns its JSON (null if it answers nothing); a form is sent as it is, all else as JSON.
    Throws ApiError, and an AbortError when the signal calls it off. */
export async function call(path, { method = "GET", body, signal } = {}) {
  const response = await request(path, { method, body, signal });
  return response.status === 204 ? null : response.json();
}

/** Calls a route and returns its body as a Blob. */
export async function blob(path, options) {
  return (await request(path, options)).blob();
}

async function request(path, options) {
  const response = await send(path, options);
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  if (response.status === 401 && (await keyGiven())) return request(path, options);
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
    return await fetch(path, init);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { error: "The server does not answer", hint: "Is it still running?" }, 3);
  }
}

async function keyGiven() {
  asking ??= askForKey().finally(() => {
    asking = null;
  });
  return asking;
}

/** Shows a key to the server, which keeps it as a cookie that no script can read; false if it is not known. */
export async function showKey(key) {
  const response = await send("/api/session", { method: "POST", body: { key } });
  return response.ok;
}

const path = (name, rest = "") => `/api/${encodeURIComponent(name)}${rest}`;
const itemPath = (name, key) => path(name, `/items/${encodeURIComponent(key)}`);

export const solutions = async () => (await call("/api/solutions")).solutions;

/** Searches by a text, a SMILES or `@key`, or by a file. */
export function search(name, { query, file, limit, filter }, signal) {
  if (!file) return call(path(name, "/search"), { method: "POST", body: { query, limit, filter }, signal });
  return call(path(name, "/search"), { method: "POST", body: form({ file, limit, filter }), signal });
}

export const draw = (name, query, color, signal) =>
  blob(path(name, "/render"), { method: "POST", body: { query, color }, signal });

export function items(name, { limit, cursor = "", prefix = "" }, signal) {
  return call(path(name, `/items?${new URLSearchParams({ limit, cursor, prefix })}`), { signal });
}

export const item = (name, key) => call(itemPath(name, key));
export const addText = (name, entry) => call(path(name, "/items"), { method: "POST", body: entry });
export const remove = (name, key) => call(itemPath(name, key), { method: "DELETE" });

export function addFile(name, file, key, metadata) {
  return call(path(name, "/items"), { method: "POST", body: form({ file, key, metadata: JSON.stringify(metadata) }) });
}

export const stats = (name) => call(path(name, "/stats"));
export const failures = (name, cursor = "") =>
  call(path(name, `/failures?${new URLSearchParams({ limit: 50, cursor })}`));
export const startIngest = (name, prune) => call(path(name, "/ingest"), { method: "POST", body: { prune } });
export const startRetry = (name) => call(path(name, "/failures/retry"), { method: "POST" });
export const job = (name, id) => call(path(name, `/ingest/${id}`));
export const cancel = (name, id) => call(path(name, `/ingest/${id}`), { method: "DELETE" });

/** Follows a run: `onNews` is given each state of it, the last one with true. Returns a function that stops it. */
export function follow(name, id, onNews) {
  const source = new EventSource(path(name, `/ingest/${id}/events`));
  let timer = 0;
  const stop = () => {
    source.close();
    clearTimeout(timer);
  };
  const poll = async () => {
    const news = await job(name, id).catch(() => null);
    const ended = news !== null && news.ended !== null;
    if (news) onNews(news, ended);
    if (!ended) timer = setTimeout(poll, 1000);
  };
  source.addEventListener("progress", (event) => onNews(JSON.parse(event.data), false));
  source.addEventListener("end", (event) => {
    const news = JSON.parse(event.data);
    source.close();
    if (news.ended === null)
      timer = setTimeout(poll, 1000); // the server is being stopped, not the run
    else onNews(news, true);
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) poll(); // too many streams are open
  });
  return stop;
}

function form(values) {
  const data = new FormData();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== "") data.append(name, value);
  }
  return data;
}
