// The filter: inputs for the declared fields, and an expression for everything else.
// The choice for a field is a list of texts, as the route keeps it: values ("ab*" for a prefix), or one "min..max".

import * as api from "./api.js";
import { renderProblem } from "./dialogs.js";
import { fill, h, markInvalid, uniqueId } from "./dom.js";

const SAMPLE = 200;
const MAX_CHIPS = 12;

const isText = (field) => field.type.startsWith("varchar");
const isFlag = (field) => field.type === "bool";

/** Builds the expression that the API takes from the fields' choices and one written by hand. */
export function buildExpression(fields, where, written) {
  const parts = fields.map((field) => buildClause(field, where[field.name] ?? [])).filter(Boolean);
  if (written.trim()) parts.push(parts.length ? `(${written.trim()})` : written.trim());
  return parts.join(" and ");
}

/** Returns the patterns of the item filters by name, as the API takes them. */
export function pickPatterns(itemFilters, where) {
  const given = itemFilters.map(({ name }) => [name, where[patternKey(name)]?.[0]]);
  return Object.fromEntries(given.filter(([, pattern]) => pattern));
}

/** Returns where the choices keep an item filter's pattern: under a name that no field can have. */
const patternKey = (name) => `~${name}`;

/** Counts the conditions. */
export function countConditions(where, written) {
  return Object.values(where).filter((texts) => texts.length).length + (written.trim() ? 1 : 0);
}

function buildClause(field, texts) {
  if (!texts.length) return "";
  if (isText(field)) return buildTextClause(field.name, texts);
  if (isFlag(field)) return `${field.name} == ${texts[0] === "true"}`;
  const [min = "", max = ""] = texts[0].split("..");
  const bounds = [];
  if (isNumber(min)) bounds.push(`${field.name} >= ${Number(min)}`);
  if (isNumber(max)) bounds.push(`${field.name} <= ${Number(max)}`);
  return bounds.join(" and ");
}

function buildTextClause(name, texts) {
  const exact = texts.filter((text) => !text.endsWith("*"));
  const parts = texts
    .filter((text) => text.endsWith("*"))
    .map((text) => `${name} like ${quote(`${text.slice(0, -1)}%`)}`);
  if (exact.length === 1) parts.unshift(`${name} == ${quote(exact[0])}`);
  if (exact.length > 1) parts.unshift(`${name} in [${exact.map(quote).join(", ")}]`);
  return parts.length > 1 ? `(${parts.join(" or ")})` : parts[0];
}

const isNumber = (text) => text.trim() !== "" && Number.isFinite(Number(text));
const quote = (text) => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;

/** Creates the panel with the inputs. `onChange(choices, expression)` is called when either has changed. */
export function createFilterPanel(solution, onChange) {
  let where = {};
  const id = uniqueId("filter");
  const problem = h("p.problem", { role: "alert", id: `${id}-problem` });
  const written = h("input.code", {
    type: "text",
    id,
    "aria-describedby": problem.id,
    spellcheck: "false",
    autocomplete: "off",
    placeholder: exampleExpression(solution.fields),
    onchange: () => emitChange(),
  });
  const inputs = solution.fields.map((field) => createInput(field, (texts) => emitChange(field.name, texts)));
  const patterns = solution.query.item_filters.map((itemFilter) =>
    createPatternInput(itemFilter, (texts) => emitChange(patternKey(itemFilter.name), texts)),
  );
  const element = h(
    "div.filters",
    [...inputs, ...patterns].map((input) => input.element),
    h("div.field.wide", h("label", { for: written.id }, "Expression"), written, problem),
  );

  function emitChange(name, texts) {
    if (name) where = { ...where, [name]: texts };
    onChange(where, written.value.trim());
  }

  let hasSuggestions = false;
  return {
    element,
    /** Shows the choices of a route. */
    show(route) {
      where = route.where;
      written.value = route.f;
      solution.fields.forEach((field, index) => inputs[index].show(where[field.name] ?? []));
      solution.query.item_filters.forEach(({ name }, index) => patterns[index].show(where[patternKey(name)] ?? []));
    },
    fail(message, hint) {
      fill(problem, renderProblem(message, hint));
      markInvalid(written, Boolean(message));
    },
    /** Loads some items once, to offer the values that they have. */
    async suggest() {
      if (hasSuggestions || !solution.fields.some(isText)) return;
      hasSuggestions = true;
      const { items, next } = await api
        .listItems(solution.name, { limit: SAMPLE })
        .catch(() => ({ items: [], next: null }));
      solution.fields.forEach((field, index) => {
        if (!isText(field)) return;
        const values = new Set(items.map((item) => item.metadata[field.name]).filter((value) => value));
        inputs[index].offer([...values].map(String).sort(), next === null);
      });
    },
  };
}

function exampleExpression(fields) {
  const [field] = fields;
  if (!field) return 'item == "key"';
  if (isText(field)) return `${field.name} == "…" or ${field.name} like "a%"`;
  return isFlag(field) ? `${field.name} == true` : `${field.name} > 2000`;
}

function createInput(field, onChange) {
  if (isText(field)) return createTextInput(field, onChange);
  return isFlag(field) ? createFlagInput(field, onChange) : createRangeInput(field, onChange);
}

/** Creates buttons for the values if there are few, else an input that suggests them. */
function createTextInput(field, onChange) {
  const id = uniqueId("field");
  const list = h("datalist", { id: `${id}-list` });
  const input = h("input", {
    type: "text",
    id,
    list: list.id,
    autocomplete: "off",
    placeholder: "any, or ab* for a prefix",
    onchange: () => onChange(input.value.trim() ? [input.value.trim()] : []),
  });
  const chips = h("div.choices", { role: "group", "aria-labelledby": `${id}-name` });
  const body = h("div", input, list);
  let selected = [];

  function markSelected() {
    for (const chip of chips.children) chip.setAttribute("aria-pressed", selected.includes(chip.value));
  }

  function toggle(value) {
    onChange(selected.includes(value) ? selected.filter((other) => other !== value) : [...selected, value]);
  }

  return {
    element: h("div.field", h("label", { for: id, id: `${id}-name` }, field.name), body),
    show(texts) {
      selected = texts;
      input.value = texts.join(" ");
      markSelected();
    },
    offer(values, isComplete) {
      if (values.length && isComplete && values.length <= MAX_CHIPS) {
        const createChip = (value) => h("button.chip", { type: "button", value, onclick: () => toggle(value) }, value);
        fill(body, fill(chips, values.map(createChip)));
        body.parentElement.classList.add("wide");
        markSelected();
      } else
        fill(
          list,
          values.map((value) => h("option", { value })),
        );
    },
  };
}

function createFlagInput(field, onChange) {
  const id = uniqueId("field");
  const options = [
    ["", "any"],
    ["true", "yes"],
    ["false", "no"],
  ];
  const select = h(
    "select",
    { id, onchange: () => onChange(select.value ? [select.value] : []) },
    options.map(([value, label]) => h("option", { value }, label)),
  );
  return {
    element: h("div.field", h("label", { for: id }, field.name), select),
    show: ([text = ""]) => {
      select.value = text;
    },
  };
}

function createRangeInput(field, onChange) {
  const id = uniqueId("field");
  const step = field.type.startsWith("int") ? "1" : "any";
  const emitChange = () => onChange(min.value || max.value ? [`${min.value}..${max.value}`] : []);
  const createBound = (placeholder, extra) =>
    h("input", { type: "number", step, placeholder, onchange: emitChange, ...extra });
  const min = createBound("from", { id });
  const max = createBound("to", { "aria-label": `${field.name}, at most` });
  return {
    element: h("div.field", h("label", { for: id }, field.name), h("div.range", min, h("span", "–"), max)),
    show([text = ""]) {
      [min.value, max.value = ""] = text.split("..");
    },
  };
}

function createPatternInput({ name, summary }, onChange) {
  const id = uniqueId("pattern");
  const emitChange = () => onChange(input.value.trim() ? [input.value.trim()] : []);
  const attributes = { type: "text", id, spellcheck: "false", autocomplete: "off", placeholder: summary };
  const input = h("input.code", { ...attributes, onchange: emitChange });
  return {
    element: h("div.field", h("label", { for: id }, name), input),
    show: ([text = ""]) => {
      input.value = text;
    },
  };
}
