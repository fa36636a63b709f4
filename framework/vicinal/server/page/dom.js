// Making elements. Every string becomes a text node, so nothing that comes from the API is ever read as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** h("button.primary", {type: "button", onclick: f}, "Search"): an element; null and false children are left out. */
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

/** Adds children: nodes, strings, numbers, or lists of them. */
export function append(element, children) {
  for (const child of [children].flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

/** Puts these children in the place of what is there. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

/** A picture of the sprite; it says nothing to a screen reader. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `/page/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

/** A button that is only a picture; `label` is its name. */
export function iconButton(name, label, onclick, extra = {}) {
  return h("button.bare", { type: "button", title: label, "aria-label": label, onclick, ...extra }, icon(name));
}

/** Tells a screen reader what has changed. */
export function announce(text) {
  document.getElementById("live").textContent = text;
}

/** Calls `work` once, `ms` after the last call; `cancel` forgets it. */
export function debounced(work, ms) {
  let timer = 0;
  const call = (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...args), ms);
  };
  call.cancel = () => clearTimeout(timer);
  return call;
}

let last = 0;

/** An id that no other element has. */
export function uniqueId(prefix) {
  last += 1;
  return `${prefix}-${last}`;
}
