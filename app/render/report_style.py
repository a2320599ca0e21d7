"""How a report of robustness looks, light and dark, on paper and on a phone; and the script that draws its figures."""

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --card: #f6f7f9; --ink: #1b1e23; --faint: #5a626d; --line: #d7dbe0;
  --hot: #f2a33a; --link: #0b5cad }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14171b; --card: #1d2126; --ink: #e8eaed; --faint: #a3abb5; --line: #363c44; --hot: #b86a00;
    --link: #7db8f5 }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif }
main, footer { max-width: 72rem; margin: 0 auto; padding: 1rem 1.25rem }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 1rem 0 .25rem; overflow-wrap: anywhere }
h2 { font-size: 1.2rem; margin: 2.25rem 0 .5rem }
h3 { font-size: .95rem; font-weight: 600; margin: 0 0 .25rem }
p { margin: .25rem 0 .75rem; max-width: 46rem }
.lead, .note, figcaption, footer { color: var(--faint) }
.note { font-size: .9rem }
ul.findings { list-style: none; margin: 1rem 0 0; padding: 0; display: grid; gap: .75rem;
  grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)) }
ul.findings li { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem }
ul.findings b { display: block; font-size: 1.15rem; overflow-wrap: anywhere }
ul.findings span { color: var(--faint); font-size: .9rem }
.figures { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)) }
figure { margin: 0; min-width: 0; background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .75rem .75rem .25rem }
.plot { height: 22rem; width: 100% }
.plot.grid { height: 18rem }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0 1rem }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums }
caption { text-align: left; padding: .5rem .75rem; color: var(--faint) }
th, td { padding: .35rem .75rem; text-align: left; border-top: 1px solid var(--line); vertical-align: top;
  white-space: nowrap }
th { font-weight: 600 }
td.n { text-align: right }
td.t { white-space: normal; min-width: 14rem }
th.n { text-align: right }
td small { display: block; color: var(--faint) }
.texts { padding: 0; margin: 0; list-style: inside decimal }
.texts li::marker { color: var(--faint); font-size: .85rem }
.texts li { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .9rem;
  margin: .5rem 0; overflow-wrap: anywhere }
mark { color: inherit; border-radius: .2rem; padding: .05em 0; border-bottom: 2px solid var(--hot);
  background: color-mix(in srgb, var(--hot) calc(var(--share) * 85%), transparent) }
.answer { color: var(--faint); font-size: .9rem; display: block; margin-top: .25rem }
.pictures { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 18rem), 26rem)) }
.picture { position: relative; line-height: 0 }
.picture img { width: 100%; height: auto; border-radius: .25rem; filter: grayscale(1) }
.picture i { position: absolute; background: #ff8c00; border: 1px solid #fff6 }
figcaption { font-size: .9rem; padding: .5rem 0 }
footer { border-top: 1px solid var(--line); font-size: .85rem; margin-top: 2.5rem }
footer dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: .5rem 0 }
footer dt { font-weight: 600 }
footer dd { margin: 0; overflow-wrap: anywhere }
@media (max-width: 34rem) {
  main, footer { padding: .75rem }
  footer dl { grid-template-columns: 1fr; gap: 0 }
  footer dd { margin-bottom: .4rem }
  .plot { height: 25rem }
}
@media print { figure, ul.findings li, .texts li { break-inside: avoid } }
"""

# Okabe and Ito's colours, as legible on white as on black: in two sets of as many.
DRAW = """
const figures = JSON.parse(document.getElementById("figures").textContent);
const COLOURS = {
  light: ["#0067a3", "#c24e00", "#00795a", "#b3478d", "#7a6000", "#2f8fc4", "#565656", "#6f3fa8"],
  dark: ["#5fb0ee", "#ff9a57", "#35d3a8", "#f0a6d2", "#e6cf4c", "#a5dcff", "#c2c2c2", "#c6a2ff"],
};
const dark = matchMedia("(prefers-color-scheme: dark)");
function draw() {
  const style = getComputedStyle(document.documentElement);
  const [ink, line] = ["--ink", "--line"].map((name) => style.getPropertyValue(name).trim());
  const colours = COLOURS[dark.matches ? "dark" : "light"];
  const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, automargin: true };
  for (const [id, { data, layout }] of Object.entries(figures)) {
    const painted = data.map((trace) => {
      if (!trace.meta) return trace;
      const color = colours[trace.meta.colour % colours.length];
      return {
        ...trace,
        line: { ...trace.line, color },
        marker: { ...trace.marker, color },
        error_y: { ...trace.error_y, color },
      };
    });
    const themed = {
      ...layout,
      font: { color: ink, size: 12, family: "system-ui, sans-serif" },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      xaxis: { ...layout.xaxis, ...axis },
      yaxis: { ...layout.yaxis, ...axis },
    };
    Plotly.react(id, painted, themed, { displayModeBar: false, responsive: true });
  }
  document.documentElement.dataset.drawn = dark.matches ? "dark" : "light";
}
dark.addEventListener("change", draw);
draw();
"""
