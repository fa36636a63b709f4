// SVG renderings, recolored for the theme. They are always shown by <img>, in which no script runs.

import { h } from "./dom.js";
import { isDark } from "./theme.js";

/** Returns the color that replaces `currentColor` in an SVG, as the API takes it. */
export const inkColor = () => (isDark() ? "ffffff" : "1b2430");

/** Creates the image of the SVG at `url`; it is reloaded when the theme changes. */
export function svgImage(url, alt) {
  const image = h("img.drawn", { src: withInk(url), alt, loading: "lazy" });
  image.dataset.url = url;
  return image;
}

const withInk = (url) => `${url}?color=${inkColor()}`;

window.addEventListener("themed", () => {
  for (const image of document.querySelectorAll("img.drawn[data-url]")) image.src = withInk(image.dataset.url);
});
