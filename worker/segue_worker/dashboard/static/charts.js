// Draws each destination's series with uPlot, in the colours of the style sheet, and again as time goes on.
"use strict";

(() => {
  // Unit, whether the lines stand on each other, and each line: series, label, colour, filled or not, dashes.
  const CHARTS = {
    outcomes: {
      unit: "/min",
      lines: [
        ["delivered", "Delivered", "--line-good", true],
        ["filtered", "Filtered", "--line-quiet"],
        ["duplicates", "Duplicates", "--line-other"],
        ["dead", "Dead", "--line-bad"],
      ],
    },
    rate: {
      unit: "/s",
      lines: [
        ["requests_per_s", "Requests", "--line-main", true],
        ["limit", "Limit", "--line-bad", false, [6, 4]],
      ],
    },
    trouble: {
      unit: "/min",
      lines: [
        ["retries", "Retries", "--line-warn", true],
        ["rate_limited", "429s", "--line-bad"],
      ],
    },
    age: { unit: "s", lines: [["queue_age_s", "Oldest waiting", "--line-warn", true]] },
    latency: {
      unit: "s",
      lines: [
        ["delivery_p50_s", "Delivery p50", "--line-main"],
        ["delivery_p95_s", "Delivery p95", "--line-warn"],
        ["delivery_p99_s", "Delivery p99", "--line-bad"],
        ["request_p50_s", "Loops p50", "--line-quiet"],
        ["request_p95_s", "Loops p95", "--line-other"],
      ],
    },
    split: {
      unit: "s",
      stacked: true,
      lines: [
        ["loops_s", "Loops", "--line-other", true],
        ["limit_s", "Limit", "--line-bad", true],
        ["waiting_s", "Waiting", "--line-warn", true],
      ],
    },
  };
  const HEIGHT = 170;
  const SHORTEST_S = 0.001;
  // A greatest value of so many medians flattens all others.
  const TAIL = 30;
  const DAY_S = 86400;
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const SPANS = [[DAY_S, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const still = document.getElementById("refreshing");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const known = (value) => value !== null && value !== undefined;

  const pad = (number) => String(number).padStart(2, "0");
  // In UTC, as every time on these pages.
  const day = (date) => `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
  const clock = (date) => `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}`;
  const tick = (seconds) => {
    const date = new Date(seconds * 1000);
    return seconds % DAY_S === 0 ? day(date) : clock(date);
  };
  const moment = (seconds) => {
    const date = new Date(seconds * 1000);
    return `${day(date)} ${clock(date)} UTC`;
  };

  const digits = (value) => Number(value.toPrecision(value < 10 ? 2 : 3));
  const number = (value) => (value >= 10000 ? `${Math.round(value / 1000)}k` : String(digits(value)));
  const span = (seconds) => {
    if (seconds === 0) {
      return "0";
    }
    const [length, unit] = SPANS.find(([each]) => seconds >= each) ?? [0.001, "ms"];
    const value = seconds / length;
    return `${value < 10 ? digits(value) : Math.round(value)} ${unit}`;
  };
  const written = (value, unit) => (unit === "s" ? span(value) : number(value));

  const column = (series, name) => (Array.isArray(series[name]) ? series[name] : series.times.map(() => series[name] ?? null));

  const stacked = (columns) =>
    columns.map((values, place) =>
      values.map((value, at) => (known(value) ? columns.slice(0, place + 1).reduce((sum, each) => sum + (each[at] ?? 0), 0) : null)),
    );

  const alone = (values) => {
    const first = values.findIndex(known);
    return first >= 0 && values.findLastIndex(known) === first ? [first] : null;
  };

  const hasTail = (columns) => {
    const values = columns.flat().filter((value) => known(value) && value > 0).sort((one, other) => one - other);
    return values.length > 0 && values[values.length - 1] > TAIL * values[Math.floor(values.length / 2)];
  };

  const axis = (more) => ({
    stroke: colour("--quiet"),
    font: "12px system-ui, sans-serif",
    grid: { stroke: colour("--grid"), width: 1 },
    ticks: { show: false },
    ...more,
  });

  const SCALES = {
    linear: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] },
    log: { distr: 3, range: (_, low, high) => [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(high * 1.001))] },
  };

  // Without the pointer the legend shows the last values that are known.
  const rest = (plot) => {
    if (!known(plot.cursor.idx)) {
      plot.setLegend({ idxs: plot.data.map((values) => values.findLastIndex(known)) });
    }
  };

  const draw = (place, chart, view) => {
    const options = {
      width: place.clientWidth,
      height: HEIGHT,
      cursor: { points: { size: 6 }, drag: { x: false, y: false } },
      legend: { live: true },
      padding: [8, 22, 0, 0],
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
      scales: { y: SCALES[view.log ? "log" : "linear"] },
      bands: chart.stacked ? [{ series: [3, 2] }, { series: [2, 1] }] : undefined,
      hooks: { ready: [rest], setData: [rest], setCursor: [rest] },
      axes: [
        axis({ space: 60, size: 28, values: (_, at) => at.map(tick) }),
        axis({ size: 54, values: (_, at) => at.map((value) => (known(value) ? written(value, chart.unit) : "")) }),
      ],
      series: [
        { label: "Time", value: (_, value) => (known(value) ? moment(value) : "–") },
        ...view.lines.map(([, label, line, filled, dash], at) => ({
          label,
          stroke: colour(line),
          fill: filled ? `${colour(line)}${chart.stacked ? "55" : "26"}` : undefined,
          width: 2,
          dash,
          // A value that is alone makes no line.
          points: { show: false, size: 5, filter: (plot, place) => alone(plot.data[place]) },
          spanGaps: true,
          value: (plot, value, _, index) => {
            const own = plot.own[at][index];
            return known(own) ? `${written(own, chart.unit)}${chart.unit === "s" ? "" : chart.unit}` : "–";
          },
        })),
      ],
    };
    // The values of the lines themselves: those that are plotted may stand on each other.
    return new uPlot({ ...options, plugins: [{ hooks: { init: (plot) => { plot.own = view.own; } } }] }, view.data, place);
  };

  const look = (chart, series) => {
    const lines = chart.lines.filter(([name]) => known(series[name]));
    const own = lines.map(([name]) => column(series, name));
    const log = chart.unit === "s" && !chart.stacked && hasTail(own);
    const plotted = chart.stacked ? stacked(own) : own;
    const shown = log ? plotted.map((values) => values.map((value) => (known(value) ? Math.max(value, SHORTEST_S) : null))) : plotted;
    return { lines, own, log, data: [series.times, ...shown], empty: !own.flat().some(known) };
  };

  const begin = (group) => {
    const plots = new Map();
    let series = null;

    const show = () => {
      for (const figure of group.querySelectorAll("[data-chart]")) {
        const chart = CHARTS[figure.dataset.chart];
        const view = look(chart, series);
        figure.hidden = view.empty;
        if (view.empty) {
          continue;
        }
        let plot = plots.get(figure);
        if (plot !== undefined && plot.log !== view.log) {
          plot.destroy();
          plot = undefined;
        }
        if (plot === undefined) {
          plot = draw(figure.querySelector(".plot"), chart, view);
          plots.set(figure, plot);
        } else {
          plot.own = view.own;
          plot.setData(view.data);
        }
        plot.log = view.log;
        figure.querySelector("[data-log]").hidden = !view.log;
      }
    };

    const again = () => {
      for (const plot of plots.values()) {
        plot.destroy();
      }
      plots.clear();
      if (series !== null) {
        show();
      }
    };

    const loop = async () => {
      const held = still !== null && still.getAttribute("aria-pressed") === "true";
      if (series === null || (!document.hidden && !held)) {
        try {
          const answer = await fetch(group.dataset.charts, { credentials: "same-origin" });
          if (answer.ok && !answer.redirected) {
            series = await answer.json();
            show();
          }
        } catch {
          // The page says so where it cannot be refreshed either.
        }
      }
      setTimeout(loop, (series === null ? 2 : series.every_s) * 1000);
    };

    let width = group.clientWidth;
    new ResizeObserver(() => {
      if (group.clientWidth !== width) {
        width = group.clientWidth;
        again();
      }
    }).observe(group);
    dark.addEventListener("change", again);
    loop();
  };

  document.querySelectorAll("[data-charts]").forEach(begin);
})();
