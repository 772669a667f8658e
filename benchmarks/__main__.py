"""Run the benchmarks: `python -m benchmarks --json bench.json --plot docs/performance.svg`."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from tenacity import RetryError

from benchmarks import (
    backlog,
    broker,
    delivery,
    enqueueing,
    lanes,
    latency,
    limit_share,
    mapping_rows,
    merging,
    redis_memory,
    teams,
    tracking_api_bench,
    visits,
)
from benchmarks.report import table, write_plot
from benchmarks.results import Row, machine, write_json

Measurement = Callable[[], list[Row]]

DEFAULT: Final[dict[str, Measurement]] = {
    "mapping": mapping_rows.rows,
    "merging": merging.rows,
    "enqueue": enqueueing.rows,
    "latency": latency.rows,
    "http": tracking_api_bench.rows,
    "delivery": delivery.rows,
    "limit": limit_share.rows,
    "lanes": lanes.rows,
    "visits": visits.rows,
    "teams": teams.rows,
    "broker": broker.rows,
    "redis": redis_memory.rows,
    "backlog": backlog.rows,
}
QUICK: Final[dict[str, Measurement]] = {
    **DEFAULT,
    "delivery": lambda: delivery.rows(rounds=1, contacts=4000, naive=1000),
    "limit": lambda: limit_share.rows(seconds=20),
    "lanes": lambda: lanes.rows(people=10, contacts=50),
    "visits": lambda: visits.rows(people=100),
    "teams": lambda: teams.rows(teams=12, seconds=8, idle_teams=50),
    "enqueue": lambda: enqueueing.rows(rounds=2, events=500),
    "latency": lambda: latency.rows(samples=100),
    "backlog": lambda: backlog.rows(many=100_000, rounds=1, deliveries=10_000),
    "http": lambda: tracking_api_bench.rows(rounds=1, seconds=2.0),
    "broker": lambda: broker.rows(seconds=30),
    "redis": lambda: redis_memory.rows(ids=100_000),
}


@click.command()
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the results to this file.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the results into this file (.svg, .png).")
@click.option("--quick", is_flag=True, help="Smaller and shorter: to see that it works, not to quote.")
@click.option("--only", multiple=True, type=click.Choice(list(DEFAULT)), help="Only this part; may be given again.")
def main(json_file: Path | None, plot: Path | None, only: tuple[str, ...], *, quick: bool) -> None:
    """Measure Segue against what it replaces, side by side, in some twenty minutes.

    Example: python -m benchmarks --only delivery --only enqueue
    """
    remarks, about = Console(stderr=True), machine()
    rows: list[Row] = []
    failed = False
    for name, measure in (QUICK if quick else DEFAULT).items():
        if only and name not in only:
            continue
        began = time.monotonic()
        try:
            rows += measure()
        except (RetryError, RuntimeError) as error:
            failed = True
            remarks.print(f"{name}: {error}")
        remarks.print(f"{name}: {time.monotonic() - began:.0f} s")
        if json_file:
            # After each part, so that one that is stopped has not measured in vain.
            write_json(json_file, rows, about)
    Console(width=None if Console().is_terminal else 160).print(table(rows))
    if plot:
        write_plot(plot, rows)
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
