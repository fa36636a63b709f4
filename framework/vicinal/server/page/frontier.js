// The frontier of `vicinal tune`: recall and latency of each index and setting that was tried.

import { h } from "./dom.js";
import { formatBytes, formatMilliseconds } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, BOTTOM, PAD] = [720, 300, 56, 40, 14];
const ACCEPTABLE = ["exact", "confirmed"];

/** Creates the plot and a table of the best setting of each index, the chosen one first. */
export function createFrontier({ frontier, chosen, recall, limit }) {
  const isChosen = (point) => describe(point) === describe(chosen);
  const best = new Map();
  for (const point of frontier.filter(({ status }) => ACCEPTABLE.includes(status))) {
    const name = describe({ ...point, search: {} });
    if (!best.has(name) || point.p50_ms < best.get(name).p50_ms) best.set(name, point);
  }
  const rows = [...best.values()].sort((one, other) => isChosen(other) - isChosen(one) || one.p50_ms - other.p50_ms);
  const told = `A point is one index with one setting of its search; filled ones reach a recall of ${recall.target} with 95% certainty, the ringed one was chosen.`;
  return h(
    "section.panel.frontier",
    h("h2", "Recall and latency"),
    h("p.quiet", told),
    createPlot(frontier, recall.target, isChosen, limit),
    h(
      "div.scroll",
      { tabindex: "0" },
      h(
        "table.tried",
        h("thead", h("tr", ["index", `recall@${limit}`, "95% interval", "p50", "p95", "memory"].map((name) => h("th", name)))),
        h("tbody", rows.map((point) => createRow(point, isChosen(point)))),
      ),
    ),
  );
}

function createRow(point, isChosen) {
  const { recall, p50_ms, p95_ms, memory_bytes } = point;
  const interval = `${recall.low.toFixed(3)} to ${recall.high.toFixed(3)}`;
  const times = [p50_ms, p95_ms].map(formatMilliseconds);
  const cells = [recall.value.toFixed(3), interval, ...times, formatBytes(memory_bytes)].map((cell) => h("td", cell));
  return h("tr", h("th", { scope: "row" }, describe(point), isChosen && h("span.label", "chosen")), cells);
}

function createPlot(frontier, target, isChosen, limit) {
  const recalls = frontier.map(({ recall }) => recall.value);
  const times = frontier.map(({ p50_ms }) => Math.log10(Math.max(p50_ms, 1e-3)));
  const [low, start, end] = [Math.min(...recalls, target), Math.min(...times), Math.max(...times)];
  const x = (recall) => LEFT + PAD + ((recall - low) / (1 - low || 1)) * (WIDTH - LEFT - 2 * PAD);
  const y = (ms) => PAD + (1 - (Math.log10(Math.max(ms, 1e-3)) - start) / (end - start || 1)) * (HEIGHT - BOTTOM - 2 * PAD);
  const lines = Object.values(Object.groupBy?.(frontier, (point) => describe({ ...point, search: {} })) ?? {});
  const paths = lines.map((points) => {
    const ordered = [...points].sort((one, other) => one.recall.value - other.recall.value);
    return svg("polyline", { points: ordered.map(({ recall, p50_ms }) => `${x(recall.value)},${y(p50_ms)}`).join(" ") });
  });
  const dots = frontier.map((point) => {
    const place = { cx: x(point.recall.value), cy: y(point.p50_ms) };
    const dot = svg("circle", { ...place, r: 4.5, class: ACCEPTABLE.includes(point.status) ? "reached" : "tried" });
    dot.append(svg("title", {}, `${describe(point)}: recall ${point.recall.value.toFixed(3)}, ${formatMilliseconds(point.p50_ms)}`));
    return isChosen(point) ? [svg("circle", { ...place, r: 9, class: "ring" }), dot] : dot;
  });
  const floor = HEIGHT - BOTTOM;
  return svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `Recall and latency of ${frontier.length} settings`, class: "scatter" },
    svg("line", { x1: LEFT, x2: WIDTH, y1: floor, y2: floor }),
    svg("line", { x1: LEFT, x2: LEFT, y1: 0, y2: floor }),
    svg("line", { x1: x(target), x2: x(target), y1: 0, y2: floor, class: "target" }),
    [low, (low + 1) / 2, 1].map((recall, at) =>
      svg("text", { x: x(recall), y: floor + 18, "text-anchor": at === 2 ? "end" : "middle" }, recall.toFixed(3)),
    ),
    svg("text", { x: (LEFT + WIDTH) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, `recall@${limit}`),
    [start, (start + end) / 2, end].map((at) =>
      svg("text", { x: LEFT - 6, y: y(10 ** at) + 4, "text-anchor": "end" }, formatMilliseconds(10 ** at)),
    ),
    paths,
    dots,
  );
}

/** Returns what an index and its setting are called: HNSW M=16, ef=64. */
function describe({ type, params, search }) {
  const values = Object.entries({ ...params, ...search }).map(([name, value]) => `${name}=${value}`);
  return `${type} ${values.join(", ")}`.trim();
}

function svg(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.flat(Infinity));
  return element;
}
