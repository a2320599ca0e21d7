"""How a corpus' report looks beyond what all reports have, and the script that draws its scatter."""

STYLE = """
.menus { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; margin: .5rem 0 }
.menus select { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line);
  border-radius: .3rem; padding: .2rem .4rem; max-width: 100% }
.plot.scatter { height: 30rem }
#chosen { min-height: 6rem }
#chosen h3 { margin-top: 1rem }
"""

DRAW = """
const { heads, passages, metrics, called, kinds } = JSON.parse(document.getElementById("corpus").textContent);
const COLOURS = {
  light: ["#0067a3", "#c24e00", "#00795a", "#b3478d", "#7a6000"],
  dark: ["#5fb0ee", "#ff9a57", "#35d3a8", "#f0a6d2", "#e6cf4c"],
};
const SYMBOLS = ["circle", "diamond", "square", "triangle-up", "x"];
const dark = matchMedia("(prefers-color-scheme: dark)");
const byId = (id) => document.getElementById(id);
const menus = { x: byId("x"), y: byId("y"), head: byId("head") };
const sites = [...new Set(heads.map(({ site }) => site))];
const nameOf = ({ site, layer, head }) => `${site} ${layer}.${head}`;
const figure = (value) => (value === null || value === undefined ? "\\u2013" : value.toFixed(4));
let chosen = 0;
menus.head.append(...heads.map((head, index) => new Option(nameOf(head), String(index))));

function saidOf(head) {
  return [nameOf(head), ...head.kinds.map((kind) => kinds[kind] ?? kind)].join(", ").replace(/[<&]/g, "");
}

async function draw() {
  const [x, y] = [menus.x.value, menus.y.value];
  const style = getComputedStyle(document.documentElement);
  const [ink, line] = ["--ink", "--line"].map((name) => style.getPropertyValue(name).trim());
  const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, automargin: true };
  const traces = sites.map((site, at) => {
    const those = heads.map((head, index) => ({ head, index })).filter(({ head }) =>
      head.site === site && typeof head[x] === "number" && typeof head[y] === "number");
    return {
      type: "scatter",
      mode: "markers",
      name: site,
      x: those.map(({ head }) => head[x]),
      y: those.map(({ head }) => head[y]),
      customdata: those.map(({ index }) => index),
      text: those.map(({ head }) => saidOf(head)),
      marker: {
        color: COLOURS[dark.matches ? "dark" : "light"][at % 5],
        symbol: SYMBOLS[at % SYMBOLS.length],
        size: those.map(({ index }) => (index === chosen ? 16 : 9)),
        line: { width: those.map(({ index }) => (index === chosen ? 2 : 0)), color: ink },
      },
      hovertemplate: "%{text}<br>%{x:.4f}, %{y:.4f}<extra></extra>",
    };
  });
  const layout = {
    template: {},
    font: { color: ink, size: 12, family: "system-ui, sans-serif" },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    hovermode: "closest",
    xaxis: { ...axis, title: { text: called[x] } },
    yaxis: { ...axis, title: { text: called[y] } },
    showlegend: sites.length > 1,
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
    margin: { t: 8, r: 12, b: 48, l: 56 },
  };
  await Plotly.react("scatter", traces, layout, { displayModeBar: false, responsive: true });
  document.documentElement.dataset.drawn = `${x} ${y} ${traces.reduce((sum, trace) => sum + trace.x.length, 0)}`;
}

/** The sequences in which the chosen head has most of what goes up. */
function tell() {
  const head = heads[chosen];
  const metric = menus.y.value;
  const [title, note, list] = byId("chosen").children;
  title.textContent = [nameOf(head), ...head.kinds.map((kind) => kinds[kind] ?? kind)].join(" \\u00b7 ");
  const spread = head.deviation[metric];
  note.textContent = `${called[metric]}: ${figure(head[metric])}` +
    (spread === undefined ? "" : ` (\\u00b1 ${figure(spread)} between inputs); most of it in:`);
  list.replaceChildren(...(head.top[metric] ?? []).map(([number, value]) => {
    const item = document.createElement("li");
    const text = document.createElement("span");
    const where = document.createElement("span");
    const passage = passages[number];
    text.dir = "auto";
    text.textContent = passage.text || passage.name || "";
    where.className = "answer";
    where.textContent = [figure(value), passage.line && `line ${passage.line}`, passage.name,
      passage.start !== undefined && `from character ${passage.start}`].filter(Boolean).join(" \\u00b7 ");
    item.append(text, where);
    return item;
  }));
}

function choose(index) {
  chosen = index;
  menus.head.value = String(index);
  tell();
  return draw();
}

for (const axis of ["x", "y"]) menus[axis].addEventListener("change", () => choose(chosen));
menus.head.addEventListener("change", () => choose(Number(menus.head.value)));
dark.addEventListener("change", draw);
if (heads.length) choose(0).then(() => {
  byId("scatter").on("plotly_click", ({ points }) => choose(points[0].customdata));
});
"""
