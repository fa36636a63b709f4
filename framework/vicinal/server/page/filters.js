// The filter: inputs made from the declared fields, and an expression for all that they cannot say.
// A field's choice is a list of texts, as the address keeps it: values ("ab*": that begin so), or one "least..most".

import * as api from "/page/api.js";
import { sentence } from "/page/dialogs.js";
import { fill, h, uniqueId } from "/page/dom.js";

const SAMPLE = 200;
const MOST_CHIPS = 12;

const isText = (field) => field.type.startsWith("varchar");
const isFlag = (field) => field.type === "bool";

/** The expression that the API takes, made of the fields' choices and of one written by hand. */
export function expression(fields, where, written) {
  const parts = fields.map((field) => clause(field, where[field.name] ?? [])).filter(Boolean);
  if (written.trim()) parts.push(parts.length ? `(${written.trim()})` : written.trim());
  return parts.join(" and ");
}

/** How many conditions there are. */
export function conditions(where, written) {
  return Object.values(where).filter((texts) => texts.length).length + (written.trim() ? 1 : 0);
}

function clause(field, texts) {
  if (!texts.length) return "";
  if (isText(field)) return words(field.name, texts);
  if (isFlag(field)) return `${field.name} == ${texts[0] === "true"}`;
  const [least = "", most = ""] = texts[0].split("..");
  const bounds = [];
  if (isNumber(least)) bounds.push(`${field.name} >= ${Number(least)}`);
  if (isNumber(most)) bounds.push(`${field.name} <= ${Number(most)}`);
  return bounds.join(" and ");
}

function words(name, texts) {
  const exact = texts.filter((text) => !text.endsWith("*"));
  const parts = texts
    .filter((text) => text.endsWith("*"))
    .map((text) => `${name} like ${quoted(`${text.slice(0, -1)}%`)}`);
  if (exact.length === 1) parts.unshift(`${name} == ${quoted(exact[0])}`);
  if (exact.length > 1) parts.unshift(`${name} in [${exact.map(quoted).join(", ")}]`);
  return parts.length > 1 ? `(${parts.join(" or ")})` : parts[0];
}

const isNumber = (text) => text.trim() !== "" && Number.isFinite(Number(text));
const quoted = (text) => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;

/** The panel with the inputs. `onChange` is given the choices and the expression whenever either has changed. */
export function filterPanel(solution, onChange) {
  let where = {};
  const written = h("input.code", {
    type: "text",
    id: uniqueId("filter"),
    spellcheck: "false",
    autocomplete: "off",
    placeholder: example(solution.fields),
    onchange: () => changed(),
  });
  const problem = h("p.problem", { role: "alert" });
  const inputs = solution.fields.map((field) => fieldInput(field, (texts) => changed(field.name, texts)));
  const element = h(
    "div.filters",
    inputs.map((input) => input.element),
    h("div.field.wide", h("label", { for: written.id }, "Expression"), written, problem),
  );

  function changed(name, texts) {
    if (name) where = { ...where, [name]: texts };
    onChange(where, written.value.trim());
  }

  let filled = false;
  return {
    element,
    /** Shows what the address says. */
    show(route) {
      where = route.where;
      written.value = route.f;
      solution.fields.forEach((field, at) => inputs[at].show(where[field.name] ?? []));
    },
    fail(message, hint) {
      fill(problem, sentence(message), message && hint && h("span.hint", ` ${sentence(hint)}`));
      written.toggleAttribute("aria-invalid", Boolean(message));
    },
    /** Looks at some items once, to offer the values that there are. */
    async suggest() {
      if (filled || !solution.fields.some(isText)) return;
      filled = true;
      const { items, next } = await api
        .items(solution.name, { limit: SAMPLE })
        .catch(() => ({ items: [], next: null }));
      solution.fields.forEach((field, at) => {
        if (!isText(field)) return;
        const values = new Set(items.map((item) => item.metadata[field.name]).filter((value) => value));
        inputs[at].offer([...values].map(String).sort(), next === null);
      });
    },
  };
}

function example(fields) {
  const [field] = fields;
  if (!field) return 'item == "key"';
  if (isText(field)) return `${field.name} == "…" or ${field.name} like "a%"`;
  return isFlag(field) ? `${field.name} == true` : `${field.name} > 2000`;
}

function fieldInput(field, onChange) {
  if (isText(field)) return textInput(field, onChange);
  return isFlag(field) ? flagInput(field, onChange) : rangeInput(field, onChange);
}

/** Values to click where there are few, else an input that proposes them. */
function textInput(field, onChange) {
  const id = uniqueId("field");
  const list = h("datalist", { id: `${id}-list` });
  const input = h("input", {
    type: "text",
    id,
    list: list.id,
    autocomplete: "off",
    placeholder: "any, or ab* for a beginning",
    onchange: () => onChange(input.value.trim() ? [input.value.trim()] : []),
  });
  const chips = h("div.choices", { role: "group", "aria-labelledby": `${id}-name` });
  const body = h("div", input, list);
  let shown = [];

  function press() {
    for (const chip of chips.children) chip.setAttribute("aria-pressed", shown.includes(chip.value));
  }

  function toggle(value) {
    onChange(shown.includes(value) ? shown.filter((one) => one !== value) : [...shown, value]);
  }

  return {
    element: h("div.field", h("label", { for: id, id: `${id}-name` }, field.name), body),
    show(texts) {
      shown = texts;
      input.value = texts.join(" ");
      press();
    },
    offer(values, all) {
      if (values.length && all && values.length <= MOST_CHIPS) {
        const chip = (value) => h("button.chip", { type: "button", value, onclick: () => toggle(value) }, value);
        fill(body, fill(chips, values.map(chip)));
        body.parentElement.classList.add("wide");
        press();
      } else
        fill(
          list,
          values.map((value) => h("option", { value })),
        );
    },
  };
}

function flagInput(field, onChange) {
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

function rangeInput(field, onChange) {
  const id = uniqueId("field");
  const step = field.type.startsWith("int") ? "1" : "any";
  const changed = () => onChange(least.value || most.value ? [`${least.value}..${most.value}`] : []);
  const bound = (placeholder, extra) => h("input", { type: "number", step, placeholder, onchange: changed, ...extra });
  const least = bound("from", { id });
  const most = bound("to", { "aria-label": `${field.name}, at most` });
  return {
    element: h("div.field", h("label", { for: id }, field.name), h("div.range", least, h("span", "–"), most)),
    show([text = ""]) {
      [least.value, most.value = ""] = text.split("..");
    },
  };
}
