"""The results as a table, and as a plot."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from benchmarks.results import Row


def table(rows: Sequence[Row]) -> Table:
    """The rows as a table: figure, spread, what it is to reach, and what the figure was made of."""
    shown = Table(title="Segue, measured side by side")
    for heading in ("what", "against"):
        shown.add_column(heading)
    for heading in ("median", "spread", "to reach"):
        shown.add_column(heading, justify="right", no_wrap=True)
    shown.add_column("")
    shown.add_column("of")
    for row in rows:
        spread = f"{number(min(row.values))}-{number(max(row.values))}" if len(row.values) > 1 else ""
        sign = "≥" if row.better == "higher" else "≤"
        detail = ", ".join(f"{name} {value}" for name, value in row.detail.items())
        shown.add_row(
            *(row.what, row.against, f"{number(row.figure)} {row.unit}", spread),
            *(f"{sign} {number(row.reach)} {row.unit}", "yes" if row.reached else "[bold]no[/bold]", detail),
        )
    return shown


def number(value: float) -> str:
    """Three figures, without an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def progress_of(row: Row, value: float) -> float:
    """How far a figure goes towards what it is to reach: 1 is there, more is better."""
    if row.reach == 0:
        return 1 / (1 + value)
    if row.better == "higher":
        return value / row.reach
    return row.reach / max(value, row.reach / 100)


def write_plot(path: Path, rows: Sequence[Row]) -> None:
    """Draw each figure as a multiple of what it is to reach, with its spread; the file's ending names the format."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to load, and only wanted here

    figure = Figure(figsize=(11, 0.42 * len(rows) + 1.4), layout="constrained")
    axes = figure.subplots()
    shown = list(reversed(rows))
    for place, row in enumerate(shown):
        ends = [progress_of(row, value) for value in row.values]
        middle = progress_of(row, row.figure)
        axes.barh(place, middle, color="#2a7" if row.reached else "#d73", height=0.6)
        axes.plot([min(ends), max(ends)], [place, place], color="black", linewidth=1)
        axes.annotate(f" {number(row.figure)} {row.unit}", (max(middle, *ends), place), va="center", fontsize=8)
    axes.axvline(1, color="black", linestyle="--", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(shown)), [row.what for row in shown], fontsize=8)
    axes.set_xlabel("share of what is to be reached (dashed: reached; black line: from the worst round to the best)")
    axes.margins(x=0.15)
    figure.savefig(path)
