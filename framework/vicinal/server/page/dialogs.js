// What comes over the page: the question for a key, toasts that can be undone, an item seen large.

import { showKey } from "/page/api.js";
import { fill, h, icon, iconButton, uniqueId } from "/page/dom.js";

/** Asks for an API key until the server knows it; resolves to whether it does. */
export function askForKey() {
  const id = uniqueId("key");
  const input = h("input", { type: "password", id, required: true, autocomplete: "current-password" });
  const problem = h("p.problem", { role: "alert" });
  const dialog = h("dialog.dialog", { "aria-labelledby": `${id}-title` });
  const ok = h("button.primary", { type: "submit" }, "Continue");

  return new Promise((resolve) => {
    async function submit(event) {
      event.preventDefault();
      ok.disabled = true;
      const known = await showKey(input.value).catch(() => null);
      ok.disabled = false;
      if (known) return close(true);
      fill(problem, known === null ? "The server does not answer." : "The server does not know this key.");
      return input.select();
    }
    function close(given) {
      dialog.close();
      dialog.remove();
      resolve(given);
    }
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      close(false);
    });
    fill(
      dialog,
      h(
        "form",
        { onsubmit: submit },
        h("h2", { id: `${id}-title` }, "An API key, please"),
        h(
          "p.quiet",
          "This server answers only those who show one. It is kept in a cookie of this site until you close the browser.",
        ),
        h("label", { for: id }, "API key"),
        input,
        problem,
        h("div.row.end", h("button.quiet", { type: "button", onclick: () => close(false) }, "Not now"), ok),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** A line at the foot of the page. With `undo`, `done` is called when it is too late to undo. */
export function toast(text, { undo, done, ms = 5000, isBad = false } = {}) {
  const element = h("div.toast", { role: isBad ? "alert" : "status" }, h("span", text));
  let timer = setTimeout(end, ms, true);
  function end(passed) {
    clearTimeout(timer);
    timer = 0;
    element.remove();
    if (passed) done?.();
  }
  if (undo) {
    const back = () => {
      end(false);
      undo();
    };
    element.append(h("button", { type: "button", onclick: back }, "Undo"));
  }
  if (isBad) element.classList.add("bad");
  document.getElementById("toasts").append(element);
  return { finish: () => timer && end(true) };
}

/** Shows one of several things large; the arrow keys go from one to the next.
    `show(thing)` returns {media, body}: nodes for the picture and for what is said about it. */
export function view(things, start, show) {
  let at = start;
  const stage = h("div.stage");
  const side = h("div.side");
  const move = (by) => {
    at = (at + by + things.length) % things.length;
    draw();
  };
  const arrows = things.length > 1 && [
    iconButton("left", "Previous", () => move(-1)),
    iconButton("right", "Next", () => move(1)),
  ];
  const place = h("span.quiet");
  const dialog = h(
    "dialog.viewer",
    { "aria-label": "Large view", onclose: () => dialog.remove() },
    h(
      "div.bar",
      place,
      h("span.grow"),
      arrows,
      iconButton("close", "Close", () => dialog.close()),
    ),
    h("div.pair", stage, side),
  );

  function draw() {
    const { media, body } = show(things[at], () => dialog.close());
    fill(stage, media);
    fill(side, body);
    fill(place, things.length > 1 ? `${at + 1} of ${things.length}` : "");
  }

  dialog.addEventListener("keydown", (event) => {
    if (event.target.closest("input, video, audio, [role=slider]")) return;
    if (event.key === "ArrowLeft") move(-1);
    if (event.key === "ArrowRight") move(1);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  draw();
  document.body.append(dialog);
  dialog.showModal();
}

/** A place where something is missing or went wrong. */
export function state(name, title, text, ...actions) {
  return h(
    `div.state`,
    icon(name),
    h("h2", title),
    text && h("p.quiet", text),
    actions.some(Boolean) && h("div.row.center", actions),
  );
}

/** A failed call as a state. One that may pass by itself is tried again, with the seconds counted down. */
export function failed(error, again) {
  const retry = h("button.secondary", { type: "button", onclick: () => again() }, icon("again"), "Try again");
  if (!error.passing) return state("warn", sentence(error.message), error.hint, retry);
  const told = h("p.quiet");
  const element = state("warn", sentence(error.message), error.hint, retry);
  element.append(told);
  let left = Math.ceil(error.retryAfter);
  const tick = setInterval(() => {
    if (!element.isConnected) return clearInterval(tick);
    left -= 1;
    if (left > 0) return say();
    clearInterval(tick);
    return again();
  }, 1000);
  const say = () => fill(told, `Trying again in ${left} s`);
  say();
  return element;
}

/** With a capital letter, as a sentence begins. */
export function sentence(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : "";
}
