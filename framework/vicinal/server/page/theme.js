// Light, dark, or as the system has it.

import { fill, icon } from "/page/dom.js";

const ORDER = ["auto", "light", "dark"];
const ICONS = { auto: "auto", light: "sun", dark: "moon" };
const system = matchMedia("(prefers-color-scheme: dark)");

let chosen = remembered();

/** Whether the page is dark now. */
export function isDark() {
  return chosen === "dark" || (chosen === "auto" && system.matches);
}

/** Sets up the button that goes from one theme to the next. Whoever draws listens to "themed" on the window. */
export function installTheme(button) {
  const show = () => {
    document.documentElement.dataset.theme = isDark() ? "dark" : "light";
    fill(button, icon(ICONS[chosen]));
    button.title = `Colours: ${chosen === "auto" ? "as the system" : chosen}`;
    button.setAttribute("aria-label", `${button.title}. Change`);
    window.dispatchEvent(new Event("themed"));
  };
  button.addEventListener("click", () => {
    chosen = ORDER[(ORDER.indexOf(chosen) + 1) % ORDER.length];
    remember(chosen);
    show();
  });
  system.addEventListener("change", show);
  show();
}

function remembered() {
  try {
    const kept = localStorage.getItem("vicinal-theme");
    return ORDER.includes(kept) ? kept : "auto";
  } catch {
    return "auto"; // storage can be switched off
  }
}

function remember(theme) {
  try {
    localStorage.setItem("vicinal-theme", theme);
  } catch {
    // storage can be switched off
  }
}
