// The entry point: the navigation, the heading of a solution, and its current view.

import * as api from "./api.js";
import { askForKey, errorMessage, statusMessage, toSentence } from "./dialogs.js";
import { append, fill, h, icon } from "./dom.js";
import { createDuplicatesView } from "./duplicates.js";
import { formatCount, formatNumber } from "./format.js";
import { createEvaluateView } from "./evaluate.js";
import { createIndexView } from "./ingest.js";
import { createItemsView } from "./items.js";
import { createMapView } from "./map.js";
import { formatRoute, navigate, parseRoute } from "./route.js";
import { createSearchView } from "./search.js";
import { installTheme } from "./theme.js";

const VIEWS = {
  search: [createSearchView, "Search"],
  items: [createItemsView, "Items"],
  map: [createMapView, "Map"],
  duplicates: [createDuplicatesView, "Duplicates"],
  evaluate: [createEvaluateView, "Evaluate"],
  index: [createIndexView, "Index"],
};
const RETRY_MS = 3000;
const COUNTS_MS = 1300; // the server updates its counts at most once a second

const main = document.getElementById("main");
const nav = document.getElementById("solutions");

let solutions = [];
let current = null;
let refreshTimer = 0;

/** Loads the list of solutions and shows the current route. */
async function load() {
  try {
    solutions = await api.listSolutions();
  } catch (error) {
    fill(main, errorMessage(error, load));
    return;
  }
  renderNav();
  showRoute();
}

/** Refreshes the counts after a change, now and once the server has updated them. */
async function onChanged() {
  await refresh();
  clearTimeout(refreshTimer);
  refreshTimer = setTimeout(refresh, COUNTS_MS);
}

async function refresh() {
  try {
    const latest = await api.listSolutions();
    for (const solution of solutions) Object.assign(solution, latest.find(({ name }) => name === solution.name) ?? {});
    renderNav();
    current?.head.show();
  } catch {
    // the view reports what is wrong with the server
  }
  refreshIfNotReady();
}

/** Refreshes again later while a solution is not ready. */
function refreshIfNotReady() {
  clearTimeout(refreshTimer);
  if (solutions.some(({ ready }) => !ready)) refreshTimer = setTimeout(refresh, RETRY_MS);
}

function renderNav() {
  const links = new Map([...nav.children].map((link) => [link.dataset.name, link]));
  for (const solution of solutions) {
    const { name, title, query, items, ready } = solution;
    let link = links.get(name);
    if (!link) {
      link = h("a", { href: formatRoute({ name }) });
      link.dataset.name = name;
      append(link, [icon(query.renders), h("span", title), h("small")]);
      nav.append(link);
    }
    link.classList.toggle("unavailable", !ready);
    link.title = ready ? formatCount(items, "item") : solution.reason;
    link.querySelector("small").textContent = formatNumber(items);
  }
  markCurrent();
}

function markCurrent() {
  for (const link of nav.children) {
    const isCurrent = link.dataset.name === current?.solution.name;
    if (isCurrent) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    if (isCurrent) nav.scrollTo({ left: link.offsetLeft - (nav.clientWidth - link.offsetWidth) / 2 });
  }
}

function showRoute() {
  const route = parseRoute(location.hash);
  if (!solutions.length) return;
  if (!route.name) return navigate({ name: solutions[0].name }, { replace: true });
  const solution = solutions.find(({ name }) => name === route.name);
  if (!solution) return showUnknownSolution(route.name);
  if (current?.solution !== solution || current.view !== route.view) openView(solution, route);
  current.head.link(route);
  current.body.update(route);
  const query = route.q && route.view === "search" ? `${route.q} – ` : "";
  document.title = `${query}${solution.title} – vicinal`;
}

function showUnknownSolution(name) {
  current?.body.close();
  current = null;
  markCurrent();
  fill(
    main,
    statusMessage(
      "search",
      "No such solution",
      `This server has none named “${name}”.`,
      h("a.button.secondary", { href: formatRoute({ name: solutions[0].name }) }, `Go to ${solutions[0].title}`),
    ),
  );
}

function openView(solution, { view }) {
  current?.body.close();
  const root = h("div.view");
  const head = createHeading(solution, view);
  fill(main, head.element, root);
  const [createView] = VIEWS[view];
  current = { solution, view, head, body: createView(root, solution, { onChanged }) };
  current.body.open?.();
  markCurrent();
  refreshIfNotReady();
}

/** Creates the heading: the solution's title, its encoder and counts, its views, and why it is not ready. */
function createHeading(solution, view) {
  const summary = h("p.quiet");
  const outage = h("p.outage", { role: "alert" });
  const tabs = h(
    "nav.views",
    { "aria-label": "Views" },
    Object.entries(VIEWS).map(([name, [, title]]) =>
      h(
        "a",
        { href: formatRoute({ name: solution.name, view: name }), "aria-current": name === view && "page" },
        title,
        name === "index" && h("span.badge.bad"),
      ),
    ),
  );
  function show() {
    const { encoder, items, rows, segmented, failures } = solution;
    const counts = [formatCount(items, "item"), segmented && formatCount(rows, "segment")].filter(Boolean).join(" · ");
    fill(summary, h("span.summary", `${toSentence(encoder.summary)} · `), counts);
    outage.hidden = solution.ready;
    fill(outage, icon("warn"), h("span", h("b", "Not ready: "), solution.reason), h("span.quiet", "retrying"));
    const badge = tabs.querySelector(".badge");
    badge.hidden = !failures;
    badge.textContent = failures;
    badge.title = formatCount(failures, "failure");
  }
  /** Makes the views keep the examples that are liked and unliked. */
  function link({ like, unlike }) {
    Object.keys(VIEWS).forEach((name, index) => {
      tabs.children[index].href = formatRoute({ name: solution.name, view: name, like, unlike });
    });
  }
  show();
  const titles = h("div.titles", h("h1", solution.title), summary);
  return { show, link, element: h("div.solution-head", titles, tabs, outage) };
}

installTheme(document.getElementById("theme"));
api.setKeyPrompt(askForKey);
window.addEventListener("routed", showRoute);
window.addEventListener("popstate", showRoute);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
load();
