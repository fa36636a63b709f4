// The page: which solution, which view of it, and what is around them.

import * as api from "/page/api.js";
import { askForKey, failed, sentence, state } from "/page/dialogs.js";
import { append, fill, h, icon } from "/page/dom.js";
import { count, plural } from "/page/format.js";
import { indexView } from "/page/ingest.js";
import { itemsView } from "/page/items.js";
import { format, go, parse } from "/page/route.js";
import { searchView } from "/page/search.js";
import { installTheme } from "/page/theme.js";

const VIEWS = { search: [searchView, "Search"], items: [itemsView, "Items"], index: [indexView, "Index"] };
const LOOK_MS = 3000;
const COUNTED_MS = 1300; // the server counts items at most once a second

const main = document.getElementById("main");
const nav = document.getElementById("solutions");

let solutions = [];
let current = null;
let looking = 0;

/** Asks what is served, and shows it. */
async function load() {
  try {
    solutions = await api.solutions();
  } catch (error) {
    fill(main, failed(error, load));
    return;
  }
  drawNav();
  routed();
}

/** Asks again, since numbers have changed. */
async function changed() {
  await look();
  clearTimeout(looking);
  looking = setTimeout(look, COUNTED_MS);
}

async function look() {
  try {
    const found = await api.solutions();
    for (const solution of solutions) Object.assign(solution, found.find(({ name }) => name === solution.name) ?? {});
    drawNav();
    current?.head.show();
  } catch {
    // the view says what is wrong with the server
  }
  lookAgain();
}

/** While a store is away, see whether it is back. */
function lookAgain() {
  clearTimeout(looking);
  if (solutions.some(({ ready }) => !ready)) looking = setTimeout(look, LOOK_MS);
}

function drawNav() {
  const links = new Map([...nav.children].map((link) => [link.dataset.name, link]));
  for (const solution of solutions) {
    const { name, title, query, items, ready } = solution;
    let link = links.get(name);
    if (!link) {
      link = h("a", { href: format({ name }) });
      link.dataset.name = name;
      append(link, [icon(query.kind), h("span", title), h("small")]);
      nav.append(link);
    }
    link.classList.toggle("away", !ready);
    link.title = ready ? plural(items, "item") : solution.reason;
    link.querySelector("small").textContent = count(items);
  }
  mark();
}

function mark() {
  for (const link of nav.children) {
    const isCurrent = link.dataset.name === current?.solution.name;
    link.toggleAttribute("aria-current", isCurrent);
    if (isCurrent) nav.scrollTo({ left: link.offsetLeft - (nav.clientWidth - link.offsetWidth) / 2 });
  }
}

function routed() {
  const route = parse(location.hash);
  if (!solutions.length) return;
  if (!route.name) return go({ name: solutions[0].name }, { replace: true });
  const solution = solutions.find(({ name }) => name === route.name);
  if (!solution) return lost(route.name);
  if (current?.solution !== solution || current.view !== route.view) open(solution, route);
  current.body.update(route);
  const asked = route.q && route.view === "search" ? `${route.q} – ` : "";
  document.title = `${asked}${solution.title} – vicinal`;
}

function lost(name) {
  current?.body.close();
  current = null;
  mark();
  fill(
    main,
    state(
      "search",
      "No such solution",
      `This server has none named “${name}”.`,
      h("a.button.secondary", { href: format({ name: solutions[0].name }) }, `Go to ${solutions[0].title}`),
    ),
  );
}

function open(solution, { view }) {
  current?.body.close();
  const root = h("div.view");
  const head = heading(solution, view);
  fill(main, head.element, root);
  const [make] = VIEWS[view];
  current = { solution, view, head, body: make(root, solution, { changed }) };
  current.body.open?.();
  mark();
  lookAgain();
}

/** The solution's name, what it is, and the ways to look at it. */
function heading(solution, view) {
  const told = h("p.quiet");
  const away = h("p.away", { role: "alert" });
  const tabs = h(
    "nav.views",
    { "aria-label": "Views" },
    Object.entries(VIEWS).map(([name, [, title]]) =>
      h(
        "a",
        { href: format({ name: solution.name, view: name }), "aria-current": name === view && "page" },
        title,
        name === "index" && h("span.badge.bad"),
      ),
    ),
  );
  function show() {
    const { encoder, items, rows, segmented, failures } = solution;
    const numbers = [plural(items, "item"), segmented && plural(rows, "segment")].filter(Boolean).join(" · ");
    fill(told, h("span.summary", `${sentence(encoder.summary)} · `), numbers);
    away.hidden = solution.ready;
    fill(away, icon("warn"), h("span", h("b", "Not ready: "), solution.reason), h("span.quiet", "looking again"));
    const badge = tabs.querySelector(".badge");
    badge.hidden = !failures;
    badge.textContent = failures;
    badge.title = plural(failures, "failure");
  }
  show();
  return { show, element: h("div.head-of", h("div.titles", h("h1", solution.title), told), tabs, away) };
}

installTheme(document.getElementById("theme"));
api.onKeyNeeded(askForKey);
window.addEventListener("routed", routed);
window.addEventListener("popstate", routed);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
load();
