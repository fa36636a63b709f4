// The evaluate view: the latest evaluation's figures with their intervals, confused labels and worst queries, what tuning
// tried, and whether items are found by themselves.

import * as api from "./api.js";
import { createCards } from "./cards.js";
import { errorMessage, statusMessage } from "./dialogs.js";
import { fill, h, icon } from "./dom.js";
import { formatCount, formatNumber, formatTimestamp, shorten } from "./format.js";
import { createFrontier } from "./frontier.js";
import { navigate } from "./route.js";

const MAX_LABELS = 12;
const MAX_PAIRS = 12;
const FIRST_QUERIES = 8;
const MAX_TITLE_CHARS = 300;
const MIN_INTERVAL = 0.005;
const SELF_MEASURES = ["recall@1", "recall@10", "MRR@10"];
const NO_LABEL = "no label";

/** Creates the view in `root`; returns {update(route), close()}. */
export function createEvaluateView(root, solution) {
  let request = null;

  async function load() {
    request?.abort();
    request = new AbortController();
    try {
      show(await api.getEvaluation(solution.name, request.signal));
    } catch (error) {
      if (error.name !== "AbortError") fill(root, errorMessage(error, load));
    }
  }

  function show({ evaluation, self_test, tuning, items, fields }) {
    if (!evaluation && !self_test && !tuning) return fill(root, createHelp(fields));
    const isModel = Boolean(evaluation?.report.model);
    const { report, details } = evaluation ?? {};
    return fill(
      root,
      evaluation && [
        createHead("How good are the answers?", "vicinal evaluate", evaluation),
        h("div.evaluation", isModel ? createModels(report) : createFigures(report, details)),
        createFindings(evaluation),
        details && createDetails(solution, details, items),
      ],
      tuning && [
        createHead("Which index?", "vicinal tune", tuning),
        createFindings(tuning),
        createFrontier(tuning.report),
      ],
      self_test && [
        createHead("Are items found by themselves?", "vicinal evaluate --self", self_test),
        h("div.evaluation", createDisturbances(self_test.report)),
        self_test.report.near_duplicates.examples.length > 0 &&
          createNearDuplicates(solution, self_test.report.near_duplicates, items),
      ],
    );
  }

  const loading = statusMessage("near", "Loading the evaluation", "");
  loading.classList.add("loading");
  fill(root, loading);
  load();
  return {
    update() {},
    close() {
      request?.abort();
    },
  };
}

// --- without an evaluation, and with an old one

function createHelp(fields) {
  const field = fields[0] ?? "FIELD";
  const known = fields.length > 0 && h("p.quiet", "Metadata that may be labels: ", fields.join(", "));
  const message = statusMessage(
    "done",
    "Not evaluated yet",
    "How good are the answers? An evaluation searches with items, or with queries of yours, and counts what is right.",
  );
  message.append(
    h("pre.command", createCommand(field)),
    h("p.quiet", "Items of the same metadata are taken for similar; --qrels FILE reads judgments of yours."),
    known || "",
    h("p.quiet", "While this server holds an embedded Milvus, stop it first."),
  );
  return message;
}

function createHead(title, command, { is_current, measured, summary, report }) {
  return [
    h("div.heading", h("h2", title), h("span.quiet", `${summary} ${formatTimestamp(measured)}`)),
    !is_current &&
      h(
        "p.note.outdated",
        icon("warn"),
        h("span", h("b", "Outdated: "), "the collection has changed since. Run ", h("code", command), " again."),
      ),
    report.warnings.map((warning) => h("p.note", warning)),
  ];
}

const createFindings = ({ findings }) => findings.map((finding) => h("p.finding", finding));

const createCommand = (field) => `vicinal evaluate FILE.yaml --labels ${field}`;

// --- figures

function createFigures({ metrics, index, chance }, details) {
  const rows = Object.entries(metrics).map(([name, estimate]) => ({ name, ...estimate }));
  const recall = index && Object.entries(index).find(([name]) => name.startsWith("recall@"));
  if (recall) rows.push({ name: `index ${recall[0]}`, ...recall[1], isOther: true });
  const told = chance !== null && h("p.quiet", `Items in random order have P@k ${formatFigure(chance)}.`);
  return [
    h("section.panel", h("h2", "Figures"), createBars(rows), told),
    details && h("section.panel", h("h2", "Queries"), createDistribution(details)),
  ];
}

function createModels({ model, metrics, baselines, refused }) {
  const models = Object.entries({ [model]: metrics, ...baselines });
  const panels = Object.keys(metrics).map((measure) => {
    const rows = models.map(([name, figures]) => ({ name, ...figures[measure], isOther: name === model }));
    const highest = Math.max(...rows.map(({ high }) => high)) || 1;
    return h("section.panel", h("h2", measure), createBars(rows, highest));
  });
  const left = Object.entries(refused).map(([name, reason]) => h("p.note", `${name} was left out: ${reason}`));
  return [...panels, ...left];
}

function createDisturbances({ disturbances }) {
  const results = Object.entries(disturbances);
  return SELF_MEASURES.map((measure) => {
    const rows = results.map(([name, result]) => ({ name, title: result.label, note: ` ${result.queries}`, ...result[measure] }));
    return h("section.panel", h("h2", measure), createBars(rows));
  });
}

/** Creates a table of figures: a bar for each, with its interval. `end` is where the widest bar may end. */
function createBars(rows, end = 1) {
  return h(
    "table.bars",
    h("thead.hidden", h("tr", ["figure", "bar", "value", "95% interval"].map((name) => h("th", name)))),
    h(
      "tbody",
      rows.map((row) =>
        h(
          "tr",
          h("th", { scope: "row", title: row.title ?? row.name }, row.name, row.note && h("small", row.note)),
          h("td.track", createBar(row, end)),
          h("td.value", formatFigure(row.value)),
          h("td.interval", row.queries === 1 ? "–" : `${formatFigure(row.low)} to ${formatFigure(row.high)}`),
        ),
      ),
    ),
  );
}

function createBar({ value, low, high, isOther }, end) {
  const hasInterval = high - low > MIN_INTERVAL * end;
  const bar = h("span.bar", { "aria-hidden": "true" }, h("span.filled"), hasInterval && h("span.whisker"));
  for (const [name, figure] of Object.entries({ value, low, high })) {
    bar.style.setProperty(`--${name}`, Math.max(0, Math.min(1, figure / end)));
  }
  bar.classList.toggle("other", Boolean(isOther));
  return bar;
}

function createDistribution({ distribution, measure }) {
  const most = Math.max(...distribution, 1);
  const columns = distribution.map((count, part) => {
    const [from, to] = [part, part + 1].map((edge) => (edge / distribution.length).toFixed(2));
    const column = h("span.column", { title: `${from} to ${to}: ${formatCount(count, "query", "queries")}` });
    column.style.setProperty("--share", count / most);
    return column;
  });
  const total = distribution.reduce((sum, count) => sum + count, 0);
  const nothing = distribution[0];
  const label = `${measure} of ${formatCount(total, "query", "queries")}; ${formatNumber(nothing)} below ${1 / distribution.length}`;
  return [
    h("div.columns-chart", { role: "img", "aria-label": label }, columns),
    h("div.axis", h("span", "0"), h("span", measure), h("span", "1")),
  ];
}

const formatFigure = (figure) => figure.toFixed(3);

// --- labels and queries

function createDetails(solution, details, items) {
  const { labels, confusions } = details;
  return [
    h(
      "div.evaluation",
      labels.length > 0 && createLabels(details),
      confusions?.pairs.length > 0 && createPairs(confusions),
    ),
    confusions?.pairs.length > 0 && createMatrix(confusions),
    details.worst.length > 0 && createWorst(solution, details, items),
  ];
}

function createLabels({ labels, measure }) {
  const rows = labels.slice(0, MAX_LABELS).map((one) => ({ ...one, name: one.label, note: ` ${one.queries}` }));
  const title = labels.length > MAX_LABELS ? `The ${MAX_LABELS} weakest labels` : "Labels";
  return h("section.panel", h("h2", title), h("p.quiet", `${measure} by label, and how many queries it has.`), createBars(rows));
}

function createPairs({ pairs }) {
  const rows = pairs.slice(0, MAX_PAIRS).map(({ label, found, count, queries }) => {
    const row = { name: label, value: count / queries };
    return h(
      "li",
      h("span", h("b", label), " finds ", h("b", found ?? NO_LABEL)),
      h("span.quiet", `${formatNumber(count)} of ${formatNumber(queries)}`),
      createShare(row.value),
    );
  });
  return h("section.panel", h("h2", "Most confused"), h("p.quiet", "By the label of the first hit."), h("ol.pairs", rows));
}

function createShare(share) {
  const bar = h("span.share", { "aria-hidden": "true" });
  bar.style.setProperty("--share", share);
  return bar;
}

/** Creates the heat map: queries' labels down, those of their first hits across; darker is a larger share. */
function createMatrix({ rows, columns, counts, queries }) {
  const head = h(
    "tr",
    h("td"),
    columns.map((column) => h("th", { scope: "col" }, h("span", column ?? NO_LABEL))),
  );
  const body = rows.map((row, at) =>
    h(
      "tr",
      h("th", { scope: "row" }, row),
      counts[at].map((count, place) => {
        const column = columns[place];
        const title = `${row} finds ${column ?? NO_LABEL}: ${formatNumber(count)} of ${formatNumber(queries[at])}`;
        const cell = h("td", count > 0 && { title }, count > 0 && formatNumber(count));
        cell.classList.toggle("right", column === row);
        cell.style.setProperty("--share", count / queries[at]);
        return cell;
      }),
    ),
  );
  const table = h("table.matrix", h("thead", head), h("tbody", body));
  const told = "Down: the label of the query. Across: that of its first hit. Darker is a larger share.";
  return h("section.panel", h("h2", "Confusions"), h("p.quiet", told), h("div.scroll", { tabindex: "0" }, table));
}

function createWorst(solution, { worst, measure }, items) {
  const list = h("ol.worst");
  const section = h("section", h("div.heading", h("h2", "Worst queries"), h("span.quiet", `By ${measure}`)), list);
  const add = (queries) => list.append(...queries.map((query) => createQuery(solution, query, measure, items)));
  add(worst.slice(0, FIRST_QUERIES));
  const rest = worst.slice(FIRST_QUERIES);
  if (rest.length) {
    const button = h("button.secondary", { type: "button" }, `Show ${rest.length} more`);
    button.addEventListener("click", () => {
      button.remove();
      add(rest);
    });
    section.append(h("div.row.center", button));
  }
  return section;
}

function createNearDuplicates(solution, { items: count, examples }, items) {
  const pairs = examples.map(({ key, found, similarity }) => {
    const judged = [["asked", "asked", findItem(items, key)], ["missed", "found", { ...findItem(items, found), similarity }]];
    return h("li.panel", createJudgedCards(solution, judged, `${key} and ${found}`));
  });
  const told = `${formatCount(count, "item")} ${count === 1 ? "has" : "have"} another one that was found in its place.`;
  return h("section", h("div.heading", h("h2", "Near-duplicates"), h("span.quiet", told)), h("ol.worst", pairs));
}

/** Returns an item, or its key where it is no longer indexed. */
const findItem = (items, key) =>
  Object.hasOwn(items, key) ? items[key] : { key, kind: "text", metadata: {}, content: null, title: null };

const searchFor = (solution, text) => navigate({ name: solution.name, q: text });

/** Creates cards of [kind, mark, entry]. */
function createJudgedCards(solution, judged, label) {
  const entries = judged.map(([, , entry]) => ({ ...entry, ...api.resolveUrls(solution.name, entry.key) }));
  const cards = createCards(entries, { searchSimilar: (key) => searchFor(solution, `@${key}`) }, label);
  judged.forEach(([kind, mark], at) => {
    cards.children[at].classList.add("judged", kind);
    cards.children[at].prepend(h("span.verdict", mark));
  });
  return cards;
}

function createQuery(solution, { query, label, value, relevant, hits, missed }, measure, items) {
  const key = query.startsWith("@") ? query.slice(1) : null;
  const judged = [
    ...(key === null ? [] : [["asked", "asked", findItem(items, key)]]),
    ...hits.map(({ is_right, similarity, segment, key }) => [
      is_right ? "right" : "wrong",
      is_right ? "✓ right" : "✗ wrong",
      { ...findItem(items, key), similarity, segment },
    ]),
    ...missed.map((key) => ["missed", "expected", findItem(items, key)]),
  ];
  const cards = createJudgedCards(solution, judged, `What ${query} finds`);
  const canSearch = key !== null ? Object.hasOwn(items, key) : solution.query.text;
  const title = shorten(key ?? query, MAX_TITLE_CHARS);
  const right = hits.filter(({ is_right }) => is_right).length;
  return h(
    "li.panel",
    h(
      "div.head",
      h("h3", title),
      label !== null && h("span.label", label),
      h("span.quiet", `${measure} ${formatFigure(value)} · ${right} of the first ${hits.length} right · `, formatCount(relevant, "relevant item")),
      h("span.grow"),
      canSearch && h("button.secondary", { type: "button", onclick: () => searchFor(solution, query) }, icon("search"), "Search"),
    ),
    cards,
  );
}
