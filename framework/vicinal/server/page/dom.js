// Creating elements. Every string becomes a text node, so nothing from the API is ever parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";
const ICONS = new URL("icons.svg", import.meta.url);

/** Creates an element: h("button.primary", {type: "button", onclick: f}, "Search"). Skips null and false children. */
export function h(selector, ...rest) {
  const [tag, ...classes] = selector.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length) element.className = classes.join(" ");
  const props = isProps(rest[0]) ? rest.shift() : {};
  for (const [name, value] of Object.entries(props)) setProp(element, name, value);
  append(element, rest);
  return element;
}

function isProps(value) {
  return value !== null && typeof value === "object" && !(value instanceof Node) && !Array.isArray(value);
}

function setProp(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "value") element.value = value;
  else element.setAttribute(name, value === true ? "" : value);
}

/** Appends children: nodes, strings, numbers, or lists of them. */
export function append(element, children) {
  for (const child of [children].flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

/** Replaces the children of an element. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

/** Creates an icon from the sprite, hidden from screen readers. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `${ICONS}#${name}`);
  svg.append(use);
  return svg;
}

/** Creates a button that shows only an icon; `label` is its accessible name. */
export function iconButton(name, label, onclick, extra = {}) {
  return h("button.bare", { type: "button", title: label, "aria-label": label, onclick, ...extra }, icon(name));
}

/** Marks an input as invalid or not, for its color and for screen readers. */
export function markInvalid(input, isInvalid) {
  if (isInvalid) input.setAttribute("aria-invalid", "true"); // an empty value would mean false
  else input.removeAttribute("aria-invalid");
}

/** Announces a change to screen readers. */
export function announce(text) {
  document.getElementById("live").textContent = text;
}

/** Debounces `work`: it runs once, `ms` after the last call; `cancel` drops a pending run. */
export function debounce(work, ms) {
  let timer = 0;
  const call = (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...args), ms);
  };
  call.cancel = () => clearTimeout(timer);
  return call;
}

let last = 0;

/** Returns an id that no other element has. */
export function uniqueId(prefix) {
  last += 1;
  return `${prefix}-${last}`;
}
