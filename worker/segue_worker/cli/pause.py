"""`segue pause` and `segue resume`: pause a destination by hand, and resume it."""

import time
from pathlib import Path

import click

from segue_worker.cli.completion import DESTINATION
from segue_worker.cli.options import config_option, redis_option
from segue_worker.cli.output import remark
from segue_worker.cli.store import choose, opened
from segue_worker.observing.destinations import known_destinations
from segue_worker.operating import pause as operating


@click.command(
    epilog='Example: segue pause loops --reason "new API key on its way"',
    short_help="Pause a destination: nothing is sent until it is resumed.",
)
@click.argument("destination", type=DESTINATION)
@click.option("--reason", default="paused by hand", show_default=True, help="What `segue status` says about it.")
@config_option
@redis_option
def pause(destination: str, *, reason: str, config: Path, redis_url: str) -> None:
    """Pause DESTINATION: nothing is sent until it is resumed.

    Events are still accepted, and wait in order. Requests that are under way are finished. A destination that Segue had
    paused itself now counts as paused by hand, so that no probe resumes it.
    """
    with opened(redis_url) as redis:
        name = choose(redis, known_destinations(redis, config), destination)
        earlier = operating.pause(redis, name, reason, int(time.time() * 1000))
    done = f"{name} was paused already" if earlier else f"Paused {name}"
    remark(f"{done}; to resume it: segue resume {name}")


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
