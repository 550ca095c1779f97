"use strict";
// Draws the charts in the colours of the page, and again when these or the width change.
(() => {
  const { charts, look } = JSON.parse(document.getElementById("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const drawn = new Map();
  const AXES = 70;

  // Colours are written as variables of the style sheet; the data of a chart stay as they are.
  function painted(value, colours) {
    if (Array.isArray(value)) return value.map((one) => painted(one, colours));
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(
        Object.entries(value).map(([key, one]) => [key, key === "values" ? one : painted(one, colours)]),
      );
    }
    const name = typeof value === "string" ? /^var\((--[a-z-]+)\)$/.exec(value) : null;
    return name ? colours.getPropertyValue(name[1]).trim() : value;
  }

  async function draw(name) {
    const place = document.getElementById(`chart-${name}`);
    const { chart, renderer, aspect } = charts[name];
    const width = place.clientWidth;
    const colours = getComputedStyle(document.documentElement);
    const spec = painted(chart, colours);
    if (aspect) {
      // As large as it fits, and as wide as high as the sensor is.
      const height = Math.min((width - AXES) * aspect, Math.max(0.75 * innerHeight, 240));
      Object.assign(spec, { width: Math.round(height / aspect), height: Math.round(height), autosize: "pad" });
    }
    spec.config = painted(look, colours);
    spec.config.legend.columns = Math.max(1, Math.min(8, Math.floor(width / 130)));
    const turn = (drawn.get(name)?.turn ?? 0) + 1;
    drawn.set(name, { ...drawn.get(name), turn, width });
    const { view } = await vegaEmbed(place, spec, {
      mode: "vega-lite",
      renderer,
      ast: true,
      actions: false,
      tooltip: { theme: dark.matches ? "dark" : "light" },
    });
    const before = drawn.get(name);
    if (before.turn !== turn) return view.finalize();
    before.view?.finalize();
    drawn.set(name, { ...before, view });
    place.classList.toggle("dark", dark.matches);
    place.classList.remove("zoomed");
    if (name === "map") attend(place, view);
  }

  function attend(place, view) {
    view.addEventListener("click", (_event, item) => {
      const card = item?.datum?.anchor && document.getElementById(item.datum.anchor);
      if (!card) return;
      card.closest("details")?.setAttribute("open", "");
      location.hash = card.id;
      card.focus({ preventScroll: true });
    });
    view.addSignalListener("view", (_name, value) => {
      place.classList.toggle("zoomed", Object.keys(value ?? {}).length > 0);
    });
  }

  // Moves the map by shares of what is seen, and shows so many times as much as before; 0 shows all.
  function show(factor, right = 0, down = 0) {
    const view = drawn.get("map")?.view;
    if (!view) return;
    const places = (charts.map.chart.layer?.at(-1) ?? charts.map.chart).encoding;
    for (const [axis, field, shift] of [["x", "col", right], ["y", "row", down]]) {
      const whole = places[axis].scale.domain;
      const [from, to] = view.scale(axis).domain();
      // The rows go down: spans may be negative.
      const span = factor * (to - from);
      const middle = (from + to) / 2 + shift * Math.abs(span);
      const all = factor === 0 || Math.abs(span) >= Math.abs(whole[1] - whole[0]);
      view.signal(`view_${field}`, all ? whole : [middle - span / 2, middle + span / 2]);
    }
    view.runAsync();
  }

  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => show(Number(button.dataset.zoom)));
  }
  const map = document.getElementById("chart-map");
  if (map) {
    map.tabIndex = 0;
    const keys = {
      "+": [0.5], "=": [0.5], "-": [2], 0: [0],
      ArrowLeft: [1, -0.2], ArrowRight: [1, 0.2], ArrowUp: [1, 0, -0.2], ArrowDown: [1, 0, 0.2],
    };
    map.addEventListener("keydown", (event) => {
      if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      show(...keys[event.key]);
    });
  }

  // Tables are sorted by a click on a heading.
  for (const heading of document.querySelectorAll("thead th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const table = heading.closest("table");
      const ascending = heading.getAttribute("aria-sort") !== "ascending";
      for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const text = (row) => row.cells[heading.cellIndex].textContent.trim();
      const compare = new Intl.Collator("en", { numeric: true }).compare;
      const number = (row) => parseFloat(text(row).replaceAll(",", ""));
      const order = heading.classList.contains("number")
        ? (a, b) => (number(a) || 0) - (number(b) || 0)
        : (a, b) => compare(text(a), text(b));
      const rows = [...table.tBodies[0].rows].sort(order);
      table.tBodies[0].append(...(ascending ? rows : rows.reverse()));
    });
  }

  addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll("details")) folded.open = true;
  });

  const drawAll = () => Promise.all(Object.keys(charts).map(draw));
  dark.addEventListener("change", drawAll);
  let waiting;
  new ResizeObserver(() => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      for (const name of Object.keys(charts)) {
        if (drawn.get(name)?.width !== document.getElementById(`chart-${name}`).clientWidth) draw(name);
      }
    }, 150);
  }).observe(document.body);
  drawAll().then(() => document.documentElement.classList.add("drawn"));
})();
