// Drawings of molecules, whose bonds are in the theme's ink.

import { h } from "/page/dom.js";
import { isDark } from "/page/theme.js";

/** The colour of bonds, as the API takes it. */
export const ink = () => (isDark() ? "ffffff" : "1b2430");

/** The drawing that the API has at `url`; it is drawn anew when the theme changes. */
export function drawing(url, alt) {
  const picture = h("img.drawn", { src: inked(url), alt, loading: "lazy" });
  picture.dataset.url = url;
  return picture;
}

const inked = (url) => `${url}?color=${ink()}`;

window.addEventListener("themed", () => {
  for (const picture of document.querySelectorAll("img.drawn[data-url]")) picture.src = inked(picture.dataset.url);
});
