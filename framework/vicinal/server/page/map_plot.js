// The canvas of the map: points that are hovered, chosen, zoomed, and walked through with the arrow keys.

import { h, iconButton } from "./dom.js";

const MARGIN = 18;
const REACH = 14; // how far from a point the pointer may be, in pixels
const MAX_ZOOM = 40;
const STEP = 1.6;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/** Creates the plot; `onHover(index or null, x, y)` and `onChoose(index)` are told of points.
    Returns {element, canvas, show(points), paint(colorOf), choose(index), close()}. */
export function createPlot({ onHover, onChoose }) {
  const canvas = h("canvas", { tabindex: "0", role: "img" });
  const buttons = h(
    "div.zoom",
    iconButton("plus", "Zoom in", () => zoom(STEP)),
    iconButton("minus", "Zoom out", () => zoom(1 / STEP)),
    iconButton("again", "Show all points", reset),
  );
  const element = h("div.plot", canvas, buttons);
  const observer = new ResizeObserver(draw);
  let points = [];
  let colorOf = () => ({ color: "gray" });
  let [scale, centerX, centerY] = [1, 0, 0];
  let [hovered, chosen] = [null, null];
  let drag = null;

  const unit = () => (Math.min(canvas.clientWidth, canvas.clientHeight) / 2 - MARGIN) * scale;
  const toPixels = ({ x, y }) => [
    canvas.clientWidth / 2 + (x - centerX) * unit(),
    canvas.clientHeight / 2 - (y - centerY) * unit(),
  ];

  function draw() {
    const ratio = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width) return;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const spacing = Math.sqrt((width * height) / Math.max(1, points.length)); // if they were spread evenly
    const radius = Math.max(2.5, Math.min(5, spacing / 5)) * Math.min(2, Math.sqrt(scale));
    points.forEach((point, index) => drawPoint(pen, point, radius, colorOf(index)));
    for (const index of [hovered, chosen]) if (index !== null) drawRing(pen, points[index], radius + 4, index === chosen);
  }

  function drawPoint(pen, point, radius, { color, isHollow, isFaint }) {
    const [x, y] = toPixels(point);
    pen.globalAlpha = isFaint ? 0.12 : 0.8;
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.fillStyle = pen.strokeStyle = color;
    if (isHollow) pen.stroke();
    else pen.fill();
  }

  function drawRing(pen, point, radius, isChosen) {
    pen.globalAlpha = 1;
    pen.lineWidth = isChosen ? 3 : 1.5;
    pen.strokeStyle = getComputedStyle(canvas).color;
    pen.beginPath();
    pen.arc(...toPixels(point), radius, 0, 2 * Math.PI);
    pen.stroke();
  }

  /** Returns the nearest point that is within reach of the pointer, or null. */
  function findPoint(x, y, reach = REACH) {
    let [best, bestDistance] = [null, reach];
    points.forEach((point, index) => {
      const [left, top] = toPixels(point);
      const distance = Math.hypot(left - x, top - y);
      if (distance < bestDistance) [best, bestDistance] = [index, distance];
    });
    return best;
  }

  /** Returns the nearest point in a direction from the current one, counting what lies aside twice. */
  function findNext([dx, dy]) {
    const from = points[hovered ?? chosen];
    if (!from) return 0;
    let [best, bestDistance] = [hovered ?? chosen, Infinity];
    points.forEach((point, index) => {
      const ahead = (point.x - from.x) * dx + (point.y - from.y) * dy;
      const aside = Math.abs((point.x - from.x) * dy) + Math.abs((point.y - from.y) * dx);
      const distance = ahead + 2 * aside;
      if (ahead > 1e-6 && distance < bestDistance) [best, bestDistance] = [index, distance];
    });
    return best;
  }

  function hover(index) {
    if (index === hovered) return;
    hovered = index;
    canvas.classList.toggle("on-point", index !== null);
    draw();
    onHover(index, ...(index === null ? [0, 0] : toPixels(points[index])));
  }

  function choose(index) {
    chosen = index;
    draw();
    if (index !== null) onChoose(index);
  }

  function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
    const next = Math.max(1, Math.min(MAX_ZOOM, scale * factor));
    const shift = (1 / unit()) * (1 - scale / next);
    centerX += (x - canvas.clientWidth / 2) * shift;
    centerY -= (y - canvas.clientHeight / 2) * shift;
    scale = next;
    if (scale === 1) [centerX, centerY] = [0, 0];
    canvas.classList.toggle("zoomed", scale > 1);
    hover(null);
    draw();
  }

  function reset() {
    zoom(1 / MAX_ZOOM);
  }

  /** Scrolls a point into view, where it is not. */
  function reveal(index) {
    const [x, y] = toPixels(points[index]);
    if (x >= 0 && y >= 0 && x <= canvas.clientWidth && y <= canvas.clientHeight) return;
    [centerX, centerY] = [points[index].x, points[index].y];
  }

  canvas.addEventListener("pointermove", (event) => {
    if (!drag) return hover(findPoint(event.offsetX, event.offsetY));
    centerX -= (event.offsetX - drag.x) / unit();
    centerY += (event.offsetY - drag.y) / unit();
    drag = { x: event.offsetX, y: event.offsetY, isMoved: true };
    return draw();
  });
  canvas.addEventListener("pointerleave", () => hover(null));
  canvas.addEventListener("pointerdown", (event) => {
    if (scale > 1 && event.button === 0) drag = { x: event.offsetX, y: event.offsetY, isMoved: false };
  });
  canvas.addEventListener("pointerup", () => {
    if (!drag?.isMoved) drag = null;
  });
  canvas.addEventListener("click", (event) => {
    const wasDragged = drag !== null;
    drag = null;
    const index = findPoint(event.offsetX, event.offsetY, event.pointerType === "touch" ? 2 * REACH : REACH);
    if (!wasDragged && index !== null) choose(index);
  });
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return; // the page scrolls; pinching a touchpad comes with ctrlKey
    event.preventDefault();
    zoom(event.deltaY < 0 ? STEP : 1 / STEP, event.offsetX, event.offsetY);
  });
  canvas.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !points.length) return;
    if (ARROWS[event.key]) {
      const next = findNext(ARROWS[event.key]);
      reveal(next);
      hover(next);
    } else if ((event.key === "Enter" || event.key === " ") && hovered !== null) choose(hovered);
    else if (event.key === "+") zoom(STEP);
    else if (event.key === "-") zoom(1 / STEP);
    else if (event.key === "0") reset();
    else return;
    event.preventDefault();
  });
  window.addEventListener("themed", draw);
  observer.observe(canvas);

  return {
    element,
    canvas,
    show(newPoints) {
      points = newPoints;
      [hovered, chosen] = [null, null];
      draw();
    },
    paint(newColorOf) {
      colorOf = newColorOf;
      draw();
    },
    close() {
      observer.disconnect();
      window.removeEventListener("themed", draw);
    },
  };
}
