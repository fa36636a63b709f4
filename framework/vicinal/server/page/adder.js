// The panel that adds items by hand: one text or SMILES, or files.

import * as api from "/page/api.js";
import { sentence } from "/page/dialogs.js";
import { fill, h, icon, uniqueId } from "/page/dom.js";

const DONE = { new: "added", updated: "replaced", unchanged: "there already, unchanged" };

/** The panel; `onAdded` is called when something has changed. */
export function addPanel(solution, onAdded) {
  return solution.query.kind === "text" || solution.query.kind === "smiles"
    ? textPanel(solution, onAdded)
    : filePanel(solution, onAdded);
}

function textPanel(solution, onAdded) {
  const isSmiles = solution.query.kind === "smiles";
  const key = labelled("Key", { required: true, placeholder: "a name of its own" });
  const content = labelled(isSmiles ? "SMILES" : "Text", { required: true, spellcheck: isSmiles ? "false" : "true" });
  const more = metadataInputs(solution.fields);
  const told = h("p", { role: "status" });
  const button = h("button.primary", { type: "submit" }, "Add");

  async function submit(event) {
    event.preventDefault();
    clear([key, content, more], told);
    let metadata;
    try {
      metadata = more.read();
    } catch (error) {
      return more.fail(error.message);
    }
    button.disabled = true;
    try {
      const { status } = await api.addText(solution.name, {
        key: key.input.value.trim(),
        content: content.input.value.trim(),
        metadata,
      });
      say(told, "good", `${key.input.value.trim()}: ${DONE[status]}`);
      for (const one of [key, content]) one.input.value = "";
      key.input.focus();
      if (status !== "unchanged") onAdded();
    } catch (error) {
      if (error.about("key")) key.fail(error.about("key"));
      else if (error.about("content")) content.fail(error.about("content"));
      else if (error.about("metadata")) more.fail(error.about("metadata"));
      else say(told, "bad", sentence(error.message), error.hint);
    } finally {
      button.disabled = false;
    }
    return null;
  }

  const element = h(
    "form.panel.adder",
    { onsubmit: submit },
    h("h2", "Add an item"),
    h("div.fields", key.element, content.element, more.elements),
    h("div.row", button, told),
  );
  return { element, focus: () => key.input.focus() };
}

function filePanel(solution, onAdded) {
  const id = uniqueId("files");
  const accept = `${solution.query.kind}/*`;
  const chooser = h("input.hidden", {
    type: "file",
    id,
    accept,
    multiple: true,
    onchange: () => upload([...chooser.files]),
  });
  const choose = h(
    "button.primary",
    { type: "button", onclick: () => chooser.click() },
    icon("upload"),
    h("span", "Choose files"),
  );
  const more = metadataInputs(solution.fields);
  const told = h("ul.uploads", { "aria-live": "polite" });

  async function upload(files) {
    chooser.value = "";
    clear([more], null);
    let metadata;
    try {
      metadata = more.read();
    } catch (error) {
      return more.fail(error.message);
    }
    choose.disabled = true;
    const lines = files.map((file) => h("li.waiting", h("b", file.name), h("span.quiet", "waiting")));
    fill(told, lines);
    let changed = false;
    for (const [at, file] of files.entries()) changed = (await uploadOne(file, metadata, lines[at])) || changed;
    choose.disabled = false;
    if (changed) onAdded();
    return null;
  }

  async function uploadOne(file, metadata, line) {
    const show = (name, text) => {
      line.className = name;
      fill(line, name === "going" ? null : icon(name === "good" ? "done" : "warn"), h("b", file.name), h("span", text));
    };
    show("going", "uploading …");
    try {
      const { status } = await api.addFile(solution.name, file, file.name, metadata);
      show("good", DONE[status]);
      return status !== "unchanged";
    } catch (error) {
      show(
        "bad",
        [error.about("content", "file", "key", "metadata") || error.message, error.hint].filter(Boolean).join(". "),
      );
      return false;
    }
  }

  const element = h(
    "div.panel.adder",
    { ondragover: (event) => event.preventDefault(), ondrop: dropped },
    h("h2", "Add files"),
    h("div.fields", more.elements),
    h(
      "div.row",
      choose,
      h("span.quiet", "or drop them here. A file with the name of one that is there replaces it."),
      chooser,
    ),
    told,
  );
  function dropped(event) {
    event.preventDefault();
    upload([...event.dataTransfer.files]);
  }
  return { element, focus: () => choose.focus() };
}

/** Inputs for the declared fields, and one for any other metadata. */
function metadataInputs(fields) {
  const inputs = fields.map((field) => [
    field,
    labelled(field.name, {
      type: field.type.startsWith("varchar") || field.type === "bool" ? "text" : "number",
      step: "any",
      placeholder: field.type === "bool" ? "true or false" : "",
    }),
  ]);
  const rest = labelled("More metadata (JSON)", { class: "code", placeholder: '{"year": 2001}', spellcheck: "false" });
  return {
    elements: [...inputs.map(([, input]) => input.element), rest.element],
    fail: rest.fail,
    read() {
      const values = rest.input.value.trim() ? parsed(rest.input.value) : {};
      for (const [field, { input }] of inputs)
        if (input.value.trim()) values[field.name] = typed(field.type, input.value.trim());
      return values;
    },
  };
}

function parsed(text) {
  const value = JSON.parse(text);
  if (value === null || typeof value !== "object" || Array.isArray(value))
    throw new Error('a JSON object is wanted, as {"year": 2001}');
  return value;
}

function typed(type, text) {
  if (type.startsWith("varchar")) return text;
  return type === "bool" ? text === "true" : Number(text);
}

function labelled(label, props) {
  const id = uniqueId("add");
  const input = h("input", { type: "text", id, autocomplete: "off", ...props });
  const problem = h("p.problem", { role: "alert" });
  const fail = (message) => {
    problem.textContent = message;
    input.toggleAttribute("aria-invalid", Boolean(message));
    if (message) input.focus();
  };
  return { input, fail, element: h("div.field", h("label", { for: id }, label), input, problem) };
}

function clear(inputs, told) {
  for (const input of inputs) input.fail("");
  if (told) fill(told);
}

function say(element, name, text, hint) {
  element.className = name;
  fill(element, text, hint && h("span.hint", ` ${hint}`));
}
