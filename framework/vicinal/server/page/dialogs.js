// Dialogs and messages: the prompt for an API key, toasts with undo, the large view of an item, failed calls.

import { createSession } from "./api.js";
import { fill, h, icon, iconButton, uniqueId } from "./dom.js";

/** Asks for an API key until it is valid or the user cancels; resolves to whether it is valid. */
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
      const isValid = await createSession(input.value).catch(() => null);
      ok.disabled = false;
      if (isValid) return close(true);
      fill(problem, isValid === null ? "The server does not respond." : "This key is not valid.");
      return input.select();
    }
    function close(isGiven) {
      dialog.close();
      dialog.remove();
      resolve(isGiven);
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
        h("h2", { id: `${id}-title` }, "API key required"),
        h(
          "p.quiet",
          "This server requires an API key. It is stored in a cookie of this site until you close the browser.",
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

/** Shows a message at the bottom of the page. With `undo`, `done` is called once it is too late to undo. */
export function showToast(text, { undo, done, ms = 5000, isBad = false } = {}) {
  const element = h("div.toast", { role: isBad ? "alert" : "status" }, h("span", text));
  let timer = setTimeout(end, ms, true);
  function end(isExpired) {
    clearTimeout(timer);
    timer = 0;
    element.remove();
    if (isExpired) done?.();
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

/** Opens the large view on one of several entries; the arrow keys move to the next.
    `render(entry, close)` returns {media, body}: nodes for the media and for the text beside it. */
export function openViewer(entries, start, render) {
  let index = start;
  const stage = h("div.stage");
  const side = h("div.side");
  const move = (by) => {
    index = (index + by + entries.length) % entries.length;
    draw();
  };
  const arrows = entries.length > 1 && [
    iconButton("left", "Previous", () => move(-1)),
    iconButton("right", "Next", () => move(1)),
  ];
  const position = h("span.quiet");
  const dialog = h(
    "dialog.viewer",
    { "aria-label": "Large view", onclose: () => dialog.remove() },
    h(
      "div.bar",
      position,
      h("span.grow"),
      arrows,
      iconButton("close", "Close", () => dialog.close()),
    ),
    h("div.pair", stage, side),
  );

  function draw() {
    const { media, body } = render(entries[index], () => dialog.close());
    fill(stage, media);
    fill(side, body);
    fill(position, entries.length > 1 ? `${index + 1} of ${entries.length}` : "");
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

/** Creates a message in the place of content that is missing or failed. */
export function statusMessage(iconName, title, text, ...actions) {
  return h(
    `div.state`,
    icon(iconName),
    h("h2", title),
    text && h("p.quiet", text),
    actions.some(Boolean) && h("div.row.center", actions),
  );
}

/** Creates the message of a failed call. A temporary failure is retried, with a countdown in seconds. */
export function errorMessage(error, retry) {
  const retryButton = h("button.secondary", { type: "button", onclick: () => retry() }, icon("again"), "Try again");
  if (!error.isTemporary) return statusMessage("warn", toSentence(error.message), error.hint, retryButton);
  const countdown = h("p.quiet");
  const element = statusMessage("warn", toSentence(error.message), error.hint, retryButton);
  element.append(countdown);
  let secondsLeft = Math.ceil(error.retryAfter);
  const tick = setInterval(() => {
    if (!element.isConnected) return clearInterval(tick);
    secondsLeft -= 1;
    if (secondsLeft > 0) return show();
    clearInterval(tick);
    return retry();
  }, 1000);
  const show = () => fill(countdown, `Trying again in ${secondsLeft} s`);
  show();
  return element;
}

/** Capitalizes the first letter. */
export function toSentence(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : "";
}

/** Renders what is wrong beside an input, and what to do about it. */
export function renderProblem(message, hint = "") {
  if (!message || !hint) return toSentence(message);
  return [`${toSentence(message)}. `, h("span.hint", toSentence(hint))];
}
