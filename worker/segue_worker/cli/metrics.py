"""`segue metrics`: print the metrics in Prometheus's text format."""

from pathlib import Path

import click

from segue_worker.cli.options import config_option, redis_option
from segue_worker.cli.store import name_damaged, opened
from segue_worker.observing.destinations import known_destinations
from segue_worker.observing.metrics.exposition import render_known


@click.command(
    epilog="Example: segue metrics > /var/lib/node_exporter/segue.prom",
    short_help="Print the metrics in Prometheus's text format.",
)
@config_option
@redis_option
def metrics(config: Path, *, redis_url: str) -> None:
    """Print the metrics of every destination, in Prometheus's text format; docs/metrics.md explains them.

    They are read from Redis, so they cover all processes and survive restarts.
    """
    with opened(redis_url) as redis:
        known = known_destinations(redis, config)
        name_damaged(known)
        click.echo(render_known(redis, known), nl=False)
