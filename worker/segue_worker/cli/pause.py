"""`segue pause` and `segue resume`: hold a destination by hand, and let it go on."""

import time
from pathlib import Path

import click

from segue_worker.cli.options import config_option, redis_option
from segue_worker.cli.output import remark
from segue_worker.cli.store import choose, opened
from segue_worker.observing.destinations import known_destinations
from segue_worker.operating import pause as operating


@click.command(
    epilog='Example: segue pause loops --reason "new API key on its way"',
    short_help="Hold a destination: nothing is sent until it is resumed.",
)
@click.argument("destination")
@click.option("--reason", default="paused by hand", show_default=True, help="What `segue status` says about it.")
@config_option
@redis_option
def pause(destination: str, *, reason: str, config: Path, redis_url: str) -> None:
    """Hold DESTINATION: nothing is sent until it is resumed.

    Events are still taken and wait in order. Requests under way are finished. A pause that Segue made itself becomes
    one by hand: no probe ends it.
    """
    with opened(redis_url) as redis:
        name = choose(redis, known_destinations(redis, config), destination)
        earlier = operating.hold(redis, name, reason, int(time.time() * 1000))
    was = ", which was paused already," if earlier else ""
    remark(f"{name}{was} is paused; segue resume {name} lets it go on")


@click.command(
    epilog="Example: segue resume loops",
    short_help="Let a paused destination go on.",
)
@click.argument("destination")
@config_option
@redis_option
def resume(destination: str, *, config: Path, redis_url: str) -> None:
    """Let DESTINATION go on, whether it was paused by hand or by Segue. Delivery begins within a second.

    For ten minutes it is not paused again because Loops refuses requests: look at the dead letters meanwhile.
    """
    with opened(redis_url) as redis:
        name = choose(redis, known_destinations(redis, config), destination)
        was_paused = operating.resume(redis, name)
    remark(f"{name} is resumed" if was_paused else f"{name} is not paused")
