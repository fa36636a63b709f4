// The view of the index itself: run over the source with live progress, what failed and why, and its numbers.

import * as api from "/page/api.js";
import { failed, sentence, toast } from "/page/dialogs.js";
import { announce, fill, h, icon, uniqueId } from "/page/dom.js";
import { count, duration, plural, when } from "/page/format.js";

const COUNTS = ["new", "updated", "unchanged", "removed", "failed"];
const TITLES = {
  running: "Indexing",
  cancelling: "Stopping after the batch in hand",
  done: "Done",
  failed: "Stopped",
  cancelled: "Cancelled; what was done is kept",
};

/** Shows the view in `root`; returns {update(), close()}. */
export function indexView(root, solution, { changed }) {
  const id = uniqueId("prune");
  const prune = h("input", { type: "checkbox", id });
  const start = h(
    "button.primary",
    { type: "button", onclick: () => begin(() => api.startIngest(solution.name, prune.checked)) },
    icon("stack"),
    "Index now",
  );
  const running = h("div.run", { hidden: true });
  const problem = h("p.problem", { role: "alert" });
  const numbers = h("section.panel.numbers", { "aria-label": "Numbers" });
  const failures = h("section.failures", { "aria-label": "Failures" });
  let stop = () => {};
  let closed = false;

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
        running,
      ),
      numbers,
    ),
    failures,
  );

  async function begin(call) {
    fill(problem);
    start.disabled = true;
    try {
      watch(await call());
    } catch (error) {
      start.disabled = false;
      fill(problem, sentence(error.message), error.hint && h("span.hint", ` ${error.hint}`));
    }
  }

  function watch(job) {
    stop();
    start.disabled = true;
    showRun(job, false);
    stop = api.follow(solution.name, job.id, (news, ended) => {
      if (closed) return;
      showRun(news, ended);
      if (ended) over(news);
    });
  }

  function over(job) {
    start.disabled = false;
    announce(`${TITLES[job.state]}: ${plural(job.seen, "item")}, ${count(job.failed)} failed`);
    changed();
    showNumbers();
    showFailures();
  }

  const bar = h(
    "div.progress",
    { role: "progressbar", "aria-label": "Progress", "aria-valuemin": "0", "aria-valuemax": "100" },
    h("span"),
  );
  const heading = h("h3");
  const pace = h("p.quiet");
  const tiles = h("dl.tiles");
  const cancel = h("button.secondary", { type: "button" }, "Cancel");
  const notes = h("div.notes");
  fill(running, h("div.row", heading, h("span.grow"), cancel), bar, pace, tiles, notes);

  function showRun(job, ended) {
    running.hidden = false;
    running.dataset.state = job.state;
    const share = job.state === "done" ? 1 : job.total ? Math.min(1, job.seen / job.total) : null;
    fill(
      heading,
      ended && icon(job.state === "done" ? "done" : "warn"),
      job.kind === "retry" && job.state === "running" ? "Trying failures again" : TITLES[job.state],
    );
    bar.classList.toggle("unsure", share === null && !ended);
    bar.style.setProperty("--share", share ?? 0);
    if (share === null) bar.removeAttribute("aria-valuenow");
    else bar.setAttribute("aria-valuenow", Math.round(share * 100));
    pace.textContent = paceOf(job, ended);
    fill(
      tiles,
      COUNTS.filter((name) => job[name] || name === "new" || name === "unchanged" || name === "failed").map((name) =>
        tile(name, job[name]),
      ),
    );
    cancel.hidden = ended;
    cancel.disabled = job.state === "cancelling";
    cancel.onclick = () =>
      api.cancel(solution.name, job.id).catch((error) => toast(sentence(error.message), { isBad: true }));
    fill(
      notes,
      job.error && h("p.problem", { role: "alert" }, sentence(job.error), job.hint && h("span.hint", ` ${job.hint}`)),
      job.warnings.map((line) => h("p.note", line)),
    );
  }

  async function showNumbers() {
    try {
      fill(numbers, numbersOf(await api.stats(solution.name)));
    } catch (error) {
      fill(numbers, failed(error, showNumbers));
    }
  }

  async function showFailures() {
    try {
      const page = await api.failures(solution.name);
      const retry = h(
        "button.secondary",
        { type: "button", onclick: () => begin(() => api.startRetry(solution.name)) },
        icon("again"),
        "Try them again",
      );
      if (!page.total)
        return fill(failures, solution.items > 0 && h("p.allgood", icon("done"), "Every item could be read."));
      const list = h("ul.failed", page.failures.map(failureLine));
      fill(
        failures,
        h(
          "div.heading",
          h("h2", plural(page.total, "failure")),
          h("span.quiet", "left out of the index, each for its reason"),
          h("span.grow"),
          retry,
        ),
        list,
      );
      return moreFailures(list, page.next);
    } catch (error) {
      return fill(failures, failed(error, showFailures));
    }
  }

  function moreFailures(list, next) {
    if (next === null) return;
    const button = h("button.secondary", { type: "button" }, "Show more");
    const row = h("div.row.center", button);
    button.addEventListener("click", async () => {
      const page = await api.failures(solution.name, next);
      row.remove();
      list.append(...page.failures.map(failureLine));
      moreFailures(list, page.next);
    });
    failures.append(row);
  }

  async function open() {
    showNumbers();
    showFailures();
    const job = solution.run && (await api.job(solution.name, solution.run).catch(() => null));
    if (closed || !job) return;
    if (job.ended === null) watch(job);
    else showRun(job, true);
  }

  return {
    update: () => {},
    open,
    close() {
      closed = true;
      stop();
    },
  };
}

function paceOf(job, ended) {
  const seen = job.total === null ? count(job.seen) : `${count(job.seen)} of ${count(job.total)}`;
  const parts = [`${seen} items`, `${count(Math.round(job.items_per_second))} items/s`];
  if (ended) parts.push(`in ${duration(job.seconds)}`, when(job.ended));
  else if (job.eta_seconds !== null && job.eta_seconds > 0.5) parts.push(`${duration(job.eta_seconds)} left`);
  return parts.filter(Boolean).join(" · ");
}

function tile(name, number) {
  const element = h("div.tile", h("dt", name), h("dd", count(number)));
  if (name === "failed" && number) element.classList.add("bad");
  return element;
}

function failureLine({ key, stage, message, at }) {
  return h(
    "li",
    icon("warn"),
    h("div", h("b", key), h("p", message)),
    h("span.label", { title: "where it failed" }, stage),
    h("time.quiet", { datetime: at }, when(at)),
  );
}

function numbersOf(stats) {
  const { index, stores } = stats;
  const parameters =
    index &&
    Object.entries({ ...index.params, ...index.search })
      .map(([name, value]) => `${name} ${value}`)
      .join(", ");
  const rows = [
    ["items", count(stats.items)],
    ["vectors", count(stats.rows)],
    ["encoder", stats.encoder.type],
    ["index", index ? [index.type, index.metric, parameters].filter(Boolean).join(" · ") : "none yet"],
    ["vectors in", stores.milvus.engine],
    ["metadata in", `Redis ${stores.redis.version}`],
    ["changed", stats.updated ? when(stats.updated) : "never"],
  ];
  return [
    h("h2", "Numbers"),
    h(
      "dl.facts",
      rows.map(([name, value]) => [h("dt", name), h("dd", value)]),
    ),
  ];
}
