// The page of a map: draws the points by plotly, and shows an item's thumbnail and texts beside the pointer.

(() => {
  const MAX_SVG_POINTS = 5000;
  const TIP_GAP = 14;
  const map = JSON.parse(document.getElementById("data").textContent);
  const plot = document.getElementById("map");
  const tip = document.getElementById("tip");
  const dark = matchMedia("(prefers-color-scheme: dark)");

  // Plotly reads a few tags in its texts.
  const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

  /** Creates the trace of some of the points. */
  function createTrace(numbers, name, marker) {
    return {
      type: map.x.length > MAX_SVG_POINTS ? "scattergl" : "scatter",
      mode: "markers",
      name: escape(name),
      x: numbers.map((number) => map.x[number]),
      y: numbers.map((number) => map.y[number]),
      customdata: numbers,
      hoverinfo: "none",
      marker: { size: map.x.length > 1000 ? 6 : 9, opacity: 0.8, ...marker },
    };
  }

  function createTraces() {
    const all = map.keys.map((_, number) => number);
    if (!map.color) return [createTrace(all, "items", { color: map.palette[0] })];
    const { kind, values, field } = map.color;
    const missing = all.filter((number) => values[number] === null);
    const traces = missing.length ? [createTrace(missing, "no value", { color: map.grey, symbol: "circle-open" })] : [];
    if (kind === "number") {
      const numbers = all.filter((number) => values[number] !== null);
      const colorscale = map.ramp.map((color, index) => [index / (map.ramp.length - 1), color]);
      const color = numbers.map((number) => values[number]);
      const colorbar = { title: { text: escape(field) }, thickness: 14 };
      return [createTrace(numbers, field, { color, colorscale, colorbar, showscale: true }), ...traces];
    }
    const groups = map.categories.map(([name, color]) =>
      createTrace(
        all.filter((number) => values[number] === name),
        name,
        { color },
      ),
    );
    return [...groups, ...traces];
  }

  function createLayout() {
    const axis = { visible: false, zeroline: false };
    return {
      margin: { l: 8, r: 8, t: 40, b: 8 },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: "#868e96", activecolor: "#4c6ef5" },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: dark.matches ? "#e6ecf0" : "#152028", size: 14 },
      hovermode: "closest",
      dragmode: "pan",
      showlegend: map.categories.length > 0,
      legend: { title: { text: map.color ? escape(map.color.field) : "" }, itemsizing: "constant" },
      xaxis: axis,
      yaxis: { ...axis, scaleanchor: "x" },
    };
  }

  function createLine(tag, text) {
    const element = document.createElement(tag);
    element.textContent = text;
    return element;
  }

  function showTip({ points: [{ customdata: number }], event }) {
    const picture = new Image();
    picture.alt = "";
    picture.src = map.thumbnails[number];
    const value = map.color?.values[number];
    tip.replaceChildren(
      ...(map.thumbnails[number] ? [picture] : []),
      createLine("b", map.keys[number]),
      ...(map.labels[number] === map.keys[number] ? [] : [createLine("span", map.labels[number])]),
      ...(value === undefined || value === null ? [] : [createLine("span", `${map.color.field}: ${value}`)]),
    );
    tip.hidden = false;
    placeTip(event.clientX, event.clientY);
  }

  /** Places the tip on that side of the pointer that has more room: its size is not known before its picture is. */
  function placeTip(x, y) {
    const [isLeft, isAbove] = [x > innerWidth / 2, y > innerHeight / 2];
    tip.style.left = isLeft ? "auto" : `${x + TIP_GAP}px`;
    tip.style.right = isLeft ? `${innerWidth - x + TIP_GAP}px` : "auto";
    tip.style.top = isAbove ? "auto" : `${y + TIP_GAP}px`;
    tip.style.bottom = isAbove ? `${innerHeight - y + TIP_GAP}px` : "auto";
  }

  Plotly.newPlot(plot, createTraces(), createLayout(), {
    responsive: true,
    scrollZoom: true,
    displaylogo: false,
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
  }).then(() => {
    plot.on("plotly_hover", showTip);
    plot.on("plotly_unhover", () => {
      tip.hidden = true;
    });
    document.documentElement.dataset.drawn = "true";
  });
  dark.addEventListener("change", () => Plotly.relayout(plot, { "font.color": createLayout().font.color }));
})();
