// The theme: light, dark, or as the system has it.

import { fill, icon } from "./dom.js";

const ORDER = ["auto", "light", "dark"];
const ICONS = { auto: "auto", light: "sun", dark: "moon" };
const system = matchMedia("(prefers-color-scheme: dark)");

let theme = loadTheme();

/** Returns whether the page is dark now. */
export function isDark() {
  return theme === "dark" || (theme === "auto" && system.matches);
}

/** Sets up the button that switches themes. Every change dispatches "themed" on the window. */
export function installTheme(button) {
  const show = () => {
    document.documentElement.dataset.theme = isDark() ? "dark" : "light";
    fill(button, icon(ICONS[theme]));
    button.title = `Colors: ${theme === "auto" ? "as the system" : theme}`;
    button.setAttribute("aria-label", `${button.title}. Change`);
    window.dispatchEvent(new Event("themed"));
  };
  button.addEventListener("click", () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    saveTheme(theme);
    show();
  });
  system.addEventListener("change", show);
  show();
}

function loadTheme() {
  try {
    const saved = localStorage.getItem("vicinal-theme");
    return ORDER.includes(saved) ? saved : "auto";
  } catch {
    return "auto"; // storage may be disabled
  }
}

function saveTheme(theme) {
  try {
    localStorage.setItem("vicinal-theme", theme);
  } catch {
    // storage may be disabled
  }
}
