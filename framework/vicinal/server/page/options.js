// The options of a search that most searches leave alone: how similar hits must be, and how much they should differ.

import { toSentence } from "./dialogs.js";
import { debounce, fill, h, markInvalid, uniqueId } from "./dom.js";

const DEBOUNCE_MS = 180;

/** Counts the options that are set. */
export const countOptions = ({ diversity, least }) => (diversity > 0 ? 1 : 0) + (least === null ? 0 : 1);

/** Creates the panel; `onChange` receives what has changed of {diversity, least}. */
export function createOptionsPanel(onChange) {
  const id = uniqueId("options");
  const output = h("output", { for: `${id}-diversity` });
  const emitDiversitySoon = debounce(() => onChange({ diversity: Number(diversity.value) }), DEBOUNCE_MS);
  const diversity = h("input", {
    type: "range",
    id: `${id}-diversity`,
    min: 0,
    max: 1,
    step: 0.1,
    "aria-describedby": `${id}-diversity-note`,
    oninput: () => {
      paint();
      emitDiversitySoon();
    },
  });
  const least = h("input", {
    type: "number",
    id: `${id}-least`,
    step: "any",
    placeholder: "any",
    "aria-describedby": `${id}-least-note ${id}-problem`,
    onchange: () => onChange({ least: least.value === "" ? null : Number(least.value) }),
  });
  const problem = h("p.problem", { role: "alert", id: `${id}-problem` });
  const element = h(
    "div.options",
    h(
      "div.field",
      h("label", { for: diversity.id }, "Diversity"),
      h("div.limit", diversity, output),
      h("span.quiet", { id: `${id}-diversity-note` }, "Results that are less like one another"),
    ),
    h(
      "div.field",
      h("label", { for: least.id }, "Least similarity"),
      least,
      h("span.quiet", { id: `${id}-least-note` }, "Results below it are left out"),
      problem,
    ),
  );

  function paint() {
    output.textContent = Number(diversity.value) ? Number(diversity.value).toFixed(1) : "off";
    diversity.style.setProperty("--at", diversity.value);
  }

  return {
    element,
    fail(message) {
      fill(problem, toSentence(message));
      markInvalid(least, Boolean(message));
    },
    /** Shows the options of a route. */
    show(route) {
      diversity.value = route.diversity;
      least.value = route.least ?? "";
      paint();
    },
  };
}
