// Draws each destination's series with uPlot, in the colours of the style sheet, and again as time goes on.
"use strict";

(() => {
  const CHARTS = {
    outcomes: [
      ["delivered", "Delivered", "--line-good", true],
      ["filtered", "Filtered", "--line-quiet"],
      ["duplicates", "Duplicates", "--line-other"],
      ["dead", "Dead", "--line-bad"],
    ],
    rate: [
      ["requests_per_s", "Requests/s", "--line-main", true],
      ["limit", "Limit", "--line-bad", false, [6, 4]],
    ],
    trouble: [
      ["retries", "Retries", "--line-warn", true],
      ["rate_limited", "429s", "--line-bad"],
    ],
    age: [["queue_age_s", "Oldest waiting", "--line-warn", true]],
    latency: [
      ["delivery_p50_s", "Delivery p50", "--line-main"],
      ["delivery_p95_s", "p95", "--line-warn"],
      ["delivery_p99_s", "p99", "--line-bad"],
      ["request_p50_s", "Request p50", "--line-quiet"],
      ["request_p95_s", "p95", "--line-other"],
    ],
  };
  const HEIGHT = 170;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const still = document.getElementById("refreshing");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const columns = (lines, series) => [
    series.times,
    ...lines.map(([name]) => (Array.isArray(series[name]) ? series[name] : series.times.map(() => series[name] ?? null))),
  ];

  const pad = (number) => String(number).padStart(2, "0");
  // In UTC, as every time on these pages.
  const moment = (seconds, step) => {
    const date = new Date(seconds * 1000);
    const day = `${pad(date.getUTCMonth() + 1)}-${pad(date.getUTCDate())}`;
    return step >= 86400 ? day : `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}`;
  };

  const axis = (more) => ({
    stroke: colour("--quiet"),
    font: "12px system-ui, sans-serif",
    grid: { stroke: colour("--grid"), width: 1 },
    ticks: { show: false },
    ...more,
  });

  const short = (value) => (value >= 10000 ? `${Math.round(value / 1000)}k` : String(Number(value.toPrecision(3))));

  const draw = (place, lines, series) => {
    const options = {
      width: place.clientWidth,
      height: HEIGHT,
      cursor: { points: { size: 6 }, drag: { x: false, y: false } },
      legend: { live: true },
      padding: [8, 22, 0, 0],
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
      scales: { y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
      axes: [
        axis({ space: 60, size: 28, values: (_plot, at, _axis, _space, step) => at.map((each) => moment(each, step)) }),
        axis({ size: 44, values: (_, values) => values.map(short) }),
      ],
      series: [
        { label: "Time" },
        ...lines.map(([, label, line, filled, dash]) => ({
          label,
          stroke: colour(line),
          fill: filled ? `${colour(line)}26` : undefined,
          width: 2,
          dash,
          // Percentiles may be few and far between.
          points: { show: place.closest("[data-chart]").dataset.chart.match(/latency|age/) ? undefined : false, size: 5 },
          spanGaps: true,
          value: (_, value) => (value === null || value === undefined ? "–" : short(value)),
        })),
      ],
    };
    return new uPlot(options, columns(lines, series), place);
  };

  const begin = (group) => {
    const plots = new Map();
    let series = null;

    const show = () => {
      for (const figure of group.querySelectorAll("[data-chart]")) {
        const lines = CHARTS[figure.dataset.chart].filter(([name]) => series[name] !== undefined && series[name] !== null);
        figure.hidden = !lines.some(([name]) => [series[name]].flat().some((value) => value !== null));
        if (figure.hidden) {
          continue;
        }
        const plot = plots.get(figure);
        if (plot === undefined) {
          plots.set(figure, draw(figure.querySelector(".plot"), lines, series));
        } else {
          plot.setData(columns(lines, series));
        }
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
