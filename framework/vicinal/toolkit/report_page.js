// The plots of a report: each element with data-figure gets the figure of that number.

(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const plots = [...document.querySelectorAll("[data-figure]")];
  const config = { responsive: true, displaylogo: false, modeBarButtons: [["toImage"]] };

  const draw = (plot) => {
    const { data, layout = {} } = figures[Number(plot.dataset.figure)];
    const plain = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: false };
    const look = { font: { size: 13 }, margin: { l: 8, r: 8, t: 16, b: 8 }, modebar: { bgcolor: "rgba(0,0,0,0)" } };
    return Plotly.newPlot(plot, data, { ...plain, ...look, ...layout }, config);
  };

  Promise.all(plots.map(draw)).then(() => {
    document.documentElement.dataset.drawn = "true";
  });
  // Plots have the width of the screen until they are told of the paper's.
  addEventListener("beforeprint", () => plots.forEach((plot) => Plotly.Plots.resize(plot)));
  addEventListener("afterprint", () => plots.forEach((plot) => Plotly.Plots.resize(plot)));
})();
