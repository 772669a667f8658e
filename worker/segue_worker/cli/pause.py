"""`segue pause` and `segue resume`: pause a destination by hand, and resume it."""

from datetime import timedelta
from pathlib import Path

import click

from segue_worker.cli.completion import DESTINATION
from segue_worker.cli.options import config_option, redis_option, times_option
from segue_worker.cli.output import moment, remark
from segue_worker.cli.store import choose, opened
from segue_worker.observing.destinations import known_destinations
from segue_worker.operating import pause as operating


def _span(_context: click.Context, _parameter: click.Parameter, value: str | None) -> timedelta | None:
    try:
        return None if value is None else operating.read_span(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command(
    epilog='Example: segue pause loops --reason "Loops is being maintained" --for 30m',
    short_help="Pause a destination: nothing is sent until it is resumed.",
)
@click.argument("destination", type=DESTINATION)
@click.option("--reason", default="paused by hand", show_default=True, help="What `segue status` says about it.")
@click.option(
    "--for", "span", metavar="TIME", callback=_span, help="Resume it by itself after a time such as 30m or 2h."
)
@times_option
@config_option
@redis_option
def pause(destination: str, *, reason: str, span: timedelta | None, config: Path, redis_url: str) -> None:
    """Pause DESTINATION: nothing is sent until it is resumed, or the time of --for is over.

    Events are still accepted, and wait in order. Requests that are under way are finished. A destination that Segue had
    paused itself now counts as paused by hand, so that no probe resumes it.
    """
    with opened(redis_url) as redis:
        name = choose(redis, known_destinations(redis, config), destination)
        for_ms = span // timedelta(milliseconds=1) if span else None
        paused, earlier = operating.pause(redis, name, reason, for_ms=for_ms)
    done = f"{name} was paused already" if earlier else f"Paused {name}"
    until = f" until {moment(paused.until)}; it resumes by itself" if paused.until else ""
    remark(f"{done}{until}; to resume it{' before' if until else ''}: segue resume {name}")


@click.command(
    epilog="Example: segue resume loops",
    short_help="Resume a paused destination.",
)
@click.argument("destination", type=DESTINATION)
@config_option
@redis_option
def resume(destination: str, *, config: Path, redis_url: str) -> None:
    """Resume DESTINATION, whether it was paused by hand or by Segue. Delivery begins within a second.

    For ten minutes Segue does not pause it again because Loops refuses requests: look at the dead letters meanwhile.
    """
    with opened(redis_url) as redis:
        name = choose(redis, known_destinations(redis, config), destination)
        was_paused = operating.resume(redis, name)
    remark(f"Resumed {name}" if was_paused else f"{name} is not paused")
