// The panel for adding items by hand: one that is typed, or files.

import * as api from "./api.js";
import { toSentence } from "./dialogs.js";
import { fill, h, icon, markInvalid, uniqueId } from "./dom.js";
import { capitalize } from "./format.js";

const STATUS_TEXT = { new: "added", updated: "replaced", unchanged: "already there, unchanged" };

/** Creates the panel; `onAdded` is called when an item has changed. */
export function createAddPanel(solution, onAdded) {
  return solution.query.modalities[0]?.input === "file"
    ? createFilePanel(solution, onAdded)
    : createTextPanel(solution, onAdded);
}

function createTextPanel(solution, onAdded) {
  const [modality] = solution.query.modalities;
  const key = createField("Key", { required: true, placeholder: "a unique name" });
  const content = createField(capitalize(modality?.label ?? "text"), {
    required: true,
    placeholder: modality?.example ?? "",
    spellcheck: String(solution.query.renders === "text"),
  });
  const metadataForm = createMetadataForm(solution.fields);
  const status = h("p", { role: "status" });
  const button = h("button.primary", { type: "submit" }, "Add");

  async function submit(event) {
    event.preventDefault();
    clearErrors([key, content, metadataForm], status);
    let metadata;
    try {
      metadata = metadataForm.read();
    } catch (error) {
      return metadataForm.fail(error.message);
    }
    button.disabled = true;
    try {
      const added = await api.addText(solution.name, {
        key: key.input.value.trim(),
        content: content.input.value.trim(),
        metadata,
      });
      showStatus(status, "good", `${key.input.value.trim()}: ${STATUS_TEXT[added.status]}`);
      for (const field of [key, content]) field.input.value = "";
      key.input.focus();
      if (added.status !== "unchanged") onAdded();
    } catch (error) {
      if (error.messageFor("key")) key.fail(error.messageFor("key"));
      else if (error.messageFor("content")) content.fail(error.messageFor("content"));
      else if (error.messageFor("metadata")) metadataForm.fail(error.messageFor("metadata"));
      else showStatus(status, "bad", toSentence(error.message), error.hint);
    } finally {
      button.disabled = false;
    }
    return null;
  }

  const element = h(
    "form.panel.adder",
    { onsubmit: submit },
    h("h2", "Add an item"),
    h("div.fields", key.element, content.element, metadataForm.elements),
    h("div.row", button, status),
  );
  return { element, focus: () => key.input.focus() };
}

function createFilePanel(solution, onAdded) {
  const id = uniqueId("files");
  const accept = solution.query.accept[0] ?? "";
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
  const metadataForm = createMetadataForm(solution.fields);
  const list = h("ul.uploads", { "aria-live": "polite" });

  async function upload(files) {
    chooser.value = "";
    clearErrors([metadataForm], null);
    let metadata;
    try {
      metadata = metadataForm.read();
    } catch (error) {
      return metadataForm.fail(error.message);
    }
    choose.disabled = true;
    const lines = files.map((file) => h("li.waiting", h("b", file.name), h("span.quiet", "waiting")));
    fill(list, lines);
    let hasChanged = false;
    for (const [index, file] of files.entries())
      hasChanged = (await uploadOne(file, metadata, lines[index])) || hasChanged;
    choose.disabled = false;
    if (hasChanged) onAdded();
    return null;
  }

  async function uploadOne(file, metadata, line) {
    const show = (name, text) => {
      line.className = name;
      fill(
        line,
        name === "uploading" ? null : icon(name === "good" ? "done" : "warn"),
        h("b", file.name),
        h("span", text),
      );
    };
    show("uploading", "uploading …");
    try {
      const { status } = await api.addFile(solution.name, file, file.name, metadata);
      show("good", STATUS_TEXT[status]);
      return status !== "unchanged";
    } catch (error) {
      show(
        "bad",
        [error.messageFor("content", "file", "key", "metadata") || error.message, error.hint]
          .filter(Boolean)
          .join(". "),
      );
      return false;
    }
  }

  const element = h(
    "div.panel.adder",
    { ondragover: (event) => event.preventDefault(), ondrop: onDrop },
    h("h2", "Add files"),
    h("div.fields", metadataForm.elements),
    h("div.row", choose, h("span.quiet", "or drop them here. A file replaces the one that has its name."), chooser),
    list,
  );
  function onDrop(event) {
    event.preventDefault();
    upload([...event.dataTransfer.files]);
  }
  return { element, focus: () => choose.focus() };
}

/** Creates inputs for the declared fields, and one for any other metadata. */
function createMetadataForm(fields) {
  const inputs = fields.map((field) => [
    field,
    createField(field.name, {
      type: field.type.startsWith("varchar") || field.type === "bool" ? "text" : "number",
      step: "any",
      placeholder: field.type === "bool" ? "true or false" : "",
    }),
  ]);
  const other = createField("More metadata (JSON)", {
    class: "code",
    placeholder: '{"year": 2001}',
    spellcheck: "false",
  });
  return {
    elements: [...inputs.map(([, input]) => input.element), other.element],
    fail: other.fail,
    read() {
      const values = other.input.value.trim() ? parseObject(other.input.value) : {};
      for (const [field, { input }] of inputs)
        if (input.value.trim()) values[field.name] = convertValue(field.type, input.value.trim());
      return values;
    },
  };
}

function parseObject(text) {
  const value = JSON.parse(text);
  if (value === null || typeof value !== "object" || Array.isArray(value))
    throw new Error('write a JSON object, as {"year": 2001}');
  return value;
}

function convertValue(type, text) {
  if (type.startsWith("varchar")) return text;
  return type === "bool" ? text === "true" : Number(text);
}

function createField(label, props) {
  const id = uniqueId("add");
  const problem = h("p.problem", { role: "alert", id: `${id}-problem` });
  const input = h("input", { type: "text", id, autocomplete: "off", "aria-describedby": problem.id, ...props });
  const fail = (message) => {
    problem.textContent = message;
    markInvalid(input, Boolean(message));
    if (message) input.focus();
  };
  return { input, fail, element: h("div.field", h("label", { for: id }, label), input, problem) };
}

function clearErrors(fields, status) {
  for (const field of fields) field.fail("");
  if (status) fill(status);
}

function showStatus(element, name, text, hint) {
  element.className = name;
  fill(element, text, hint && h("span.hint", ` ${hint}`));
}
