// The index view: start a run and follow its progress, the items that failed and why, and the solution's statistics.

import * as api from "./api.js";
import { errorMessage, showToast, toSentence } from "./dialogs.js";
import { announce, fill, h, icon, uniqueId } from "./dom.js";
import { formatCount, formatDuration, formatNumber, formatTimestamp } from "./format.js";

const COUNTS = ["new", "updated", "unchanged", "removed", "failed"];
const TITLES = {
  running: "Indexing",
  cancelling: "Stopping after the current batch",
  done: "Done",
  failed: "Stopped",
  cancelled: "Cancelled; finished batches are kept",
};
const RUNNING_TITLES = {
  retry: "Trying failures again",
  reindex: "Indexing anew beside what is searched",
  promote: "Copying to other stores",
};

/** Creates the view in `root`; returns {update(), open(), close()}. */
export function createIndexView(root, solution, { onChanged }) {
  const id = uniqueId("prune");
  const prune = h("input", { type: "checkbox", id });
  const start = h(
    "button.primary",
    { type: "button", onclick: () => startJob(() => api.startIngest(solution.name, prune.checked)) },
    icon("stack"),
    "Index now",
  );
  const jobPanel = h("div.run", { hidden: true });
  const problem = h("p.problem", { role: "alert" });
  const statistics = h("section.panel.statistics", { "aria-label": "Statistics" });
  const failures = h("section.failures", { "aria-label": "Failures" });
  let stopFollowing = () => {};
  let isClosed = false;

  fill(
    root,
    h(
      "div.columns",
      h(
        "section.panel.source",
        { "aria-label": "Index the source" },
        h("h2", "Index the source"),
        h("p.quiet", "Reads what is new or has changed; what is unchanged is skipped."),
        h("div.row", start, h("label.check", { for: id }, prune, "Remove items that are gone from the source")),
        problem,
        jobPanel,
      ),
      statistics,
    ),
    failures,
  );

  async function startJob(call) {
    fill(problem);
    start.disabled = true;
    try {
      follow(await call());
    } catch (error) {
      start.disabled = false;
      fill(problem, toSentence(error.message), error.hint && h("span.hint", ` ${error.hint}`));
    }
  }

  function follow(job) {
    stopFollowing();
    start.disabled = true;
    showJob(job, false);
    stopFollowing = api.followJob(solution.name, job.id, (update, hasEnded) => {
      if (isClosed) return;
      showJob(update, hasEnded);
      if (hasEnded) finish(update);
    });
  }

  function finish(job) {
    start.disabled = false;
    announce(`${TITLES[job.state]}: ${formatCount(job.seen, "item")}, ${formatNumber(job.failed)} failed`);
    onChanged();
    showStatistics();
    showFailures();
  }

  const bar = h(
    "div.progress",
    { role: "progressbar", "aria-label": "Progress", "aria-valuemin": "0", "aria-valuemax": "100" },
    h("span"),
  );
  const heading = h("h3");
  const speed = h("p.quiet");
  const tiles = h("dl.tiles");
  const cancel = h("button.secondary", { type: "button" }, "Cancel");
  const notes = h("div.notes");
  fill(jobPanel, h("div.row", heading, h("span.grow"), cancel), bar, speed, tiles, notes);

  function showJob(job, hasEnded) {
    jobPanel.hidden = false;
    jobPanel.dataset.state = job.state;
    const share = job.state === "done" ? 1 : job.total ? Math.min(1, job.seen / job.total) : null;
    fill(
      heading,
      hasEnded && icon(job.state === "done" ? "done" : "warn"),
      (job.state === "running" && RUNNING_TITLES[job.kind]) || TITLES[job.state],
    );
    bar.classList.toggle("indeterminate", share === null && !hasEnded);
    bar.style.setProperty("--share", share ?? 0);
    if (share === null) bar.removeAttribute("aria-valuenow");
    else bar.setAttribute("aria-valuenow", Math.round(share * 100));
    speed.textContent = formatProgress(job, hasEnded);
    fill(
      tiles,
      COUNTS.filter((name) => job[name] || name === "new" || name === "unchanged" || name === "failed").map((name) =>
        createTile(name, job[name]),
      ),
    );
    cancel.hidden = hasEnded;
    cancel.disabled = job.state === "cancelling";
    cancel.onclick = () =>
      api.cancelJob(solution.name, job.id).catch((error) => showToast(toSentence(error.message), { isBad: true }));
    fill(
      notes,
      job.error && h("p.problem", { role: "alert" }, toSentence(job.error), job.hint && h("span.hint", ` ${job.hint}`)),
      job.warnings.map((line) => h("p.note", line)),
    );
  }

  async function showStatistics() {
    try {
      fill(statistics, renderStatistics(await api.getStats(solution.name)));
    } catch (error) {
      fill(statistics, errorMessage(error, showStatistics));
    }
  }

  async function showFailures() {
    try {
      const page = await api.listFailures(solution.name);
      const retry = h(
        "button.secondary",
        { type: "button", onclick: () => startJob(() => api.startRetry(solution.name)) },
        icon("again"),
        "Retry them",
      );
      if (!page.total)
        return fill(failures, solution.items > 0 && h("p.success", icon("done"), "Every item could be read."));
      const list = h("ul.failed", page.failures.map(renderFailure));
      fill(
        failures,
        h(
          "div.heading",
          h("h2", formatCount(page.total, "failure")),
          h("span.quiet", "not indexed, each for the reason given"),
          h("span.grow"),
          retry,
        ),
        list,
      );
      return offerMoreFailures(list, page.next);
    } catch (error) {
      return fill(failures, errorMessage(error, showFailures));
    }
  }

  function offerMoreFailures(list, next) {
    if (next === null) return;
    const button = h("button.secondary", { type: "button" }, "Show more");
    const row = h("div.row.center", button);
    button.addEventListener("click", async () => {
      const page = await api.listFailures(solution.name, next);
      row.remove();
      list.append(...page.failures.map(renderFailure));
      offerMoreFailures(list, page.next);
    });
    failures.append(row);
  }

  async function open() {
    showStatistics();
    showFailures();
    const job = solution.run && (await api.getJob(solution.name, solution.run).catch(() => null));
    if (isClosed || !job) return;
    if (job.ended === null) follow(job);
    else showJob(job, true);
  }

  return {
    update: () => {},
    open,
    close() {
      isClosed = true;
      stopFollowing();
    },
  };
}

function formatProgress(job, hasEnded) {
  const seen = job.total === null ? formatNumber(job.seen) : `${formatNumber(job.seen)} of ${formatNumber(job.total)}`;
  const parts = [`${seen} items`, `${formatNumber(Math.round(job.items_per_second))} items/s`];
  if (hasEnded) parts.push(`in ${formatDuration(job.seconds)}`, formatTimestamp(job.ended));
  else if (job.eta_seconds !== null && job.eta_seconds > 0.5) parts.push(`${formatDuration(job.eta_seconds)} left`);
  return parts.filter(Boolean).join(" · ");
}

function createTile(name, number) {
  const element = h("div.tile", h("dt", name), h("dd", formatNumber(number)));
  if (name === "failed" && number) element.classList.add("bad");
  return element;
}

function renderFailure({ key, stage, message, at }) {
  return h(
    "li",
    icon("warn"),
    h("div", h("b", key), h("p", message)),
    h("span.label", { title: "the stage that failed" }, stage),
    h("time.quiet", { datetime: at }, formatTimestamp(at)),
  );
}

function renderStatistics(stats) {
  const { index, stores } = stats;
  const parameters =
    index &&
    Object.entries({ ...index.params, ...index.search })
      .map(([name, value]) => `${name} ${value}`)
      .join(", ");
  const rows = [
    ["items", formatNumber(stats.items)],
    ["vectors", formatNumber(stats.rows)],
    ["encoder", stats.encoder.type],
    ["index", index ? [index.type, index.metric, parameters].filter(Boolean).join(" · ") : "none yet"],
    ["vectors in", stores.milvus.engine],
    ["metadata in", `Redis ${stores.redis.version}`],
    ["changed", stats.updated ? formatTimestamp(stats.updated) : "never"],
  ];
  return [
    h("h2", "Statistics"),
    h(
      "dl.facts",
      rows.map(([name, value]) => [h("dt", name), h("dd", value)]),
    ),
  ];
}
