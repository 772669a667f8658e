"""`segue health`: whether events are being delivered, for the health checks of containers."""

from datetime import timedelta
from pathlib import Path

import click
from redis.exceptions import RedisError

from segue_producer.clients import where
from segue_worker.cli.group import CommandFailure
from segue_worker.cli.options import config_option, json_option, redis_option
from segue_worker.cli.output import emit_json, remark
from segue_worker.cli.store import connect
from segue_worker.config import load_config
from segue_worker.config.durations import duration_text, parse_duration
from segue_worker.observing.health import missing_sweep, unhealthy
from segue_worker.observing.redis_check import unanswered

_TIMEOUT_S = 3.0
_LONGEST = timedelta(days=1)


def _read_span(_ctx: click.Context, _param: click.Parameter, value: str) -> timedelta:
    """A span of time with its unit, as in the configuration."""
    try:
        span = parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if not timedelta(0) < span <= _LONGEST:
        raise click.BadParameter(f"must be more than 0s and at most {duration_text(_LONGEST)}")
    return span


@click.command(
    epilog="Example: segue health --max-age 60s",
    short_help="Report whether events are being delivered; for container health checks.",
)
@config_option
@redis_option
@click.option(
    "--max-age",
    callback=_read_span,
    default="60s",
    show_default=True,
    metavar="SPAN",
    help="How long an event may wait without progress, or how long ago the last sweep may be.",
)
@click.option("--sweep", is_flag=True, help="Check the sweep (what beat starts) instead; needs no configuration.")
@click.option("--strict", is_flag=True, help="Fail for a paused destination too.")
@json_option
def health(config: Path, redis_url: str, max_age: timedelta, *, sweep: bool, strict: bool, as_json: bool) -> None:  # noqa: PLR0913 - its options
    """Report whether events are being delivered, and if not, why.

    Exits with 1 if no worker is alive; if Redis does not answer; if an enabled destination that is not paused has
    had an event waiting, due or claimed, for longer than --max-age, and nothing was settled in that time; or if events
    wait at a destination that is neither in the configuration nor served by any worker.
    """
    loaded = None if sweep else load_config(config)
    max_age_ms = round(max_age.total_seconds() * 1000)
    try:
        with connect(redis_url, timeout=_TIMEOUT_S) as redis:
            problems = (
                unhealthy(redis, loaded, max_age_ms, strict=strict) if loaded else missing_sweep(redis, max_age_ms)
            )
    except (RedisError, OSError) as error:
        problems = [str(unanswered(f"Redis at {where(redis_url)}", error, "start it, or correct its URL"))]
    if as_json:
        emit_json({"healthy": not problems, "problems": problems})
        raise click.exceptions.Exit(1 if problems else 0)
    if problems:
        raise CommandFailure("\n".join(problems))
    remark("healthy")
