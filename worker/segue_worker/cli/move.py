"""`segue move`: take what waits, is parked or died at one destination to another name."""

from pathlib import Path

import click

from segue_producer.clients import broker_url
from segue_producer.hints import Hints
from segue_producer.keys import Keys
from segue_worker.cli.completion import DESTINATION
from segue_worker.cli.group import CommandFailure, UsageFailure
from segue_worker.cli.options import config_option, json_option, redis_option
from segue_worker.cli.output import emit_json, remark
from segue_worker.cli.store import choose, opened
from segue_worker.observing.destinations import known_destinations
from segue_worker.operating.moving import Moved
from segue_worker.operating.moving import move as move_all
from segue_worker.printable import counted


@click.command(epilog="Example: segue move loops loops-eu", short_help="Move what a destination holds to another name.")
@click.argument("old", type=DESTINATION)
@click.argument("new", type=DESTINATION)
@config_option
@redis_option
@json_option
def move(old: str, new: str, *, config: Path, redis_url: str, as_json: bool) -> None:
    """Move the waiting events, parked requests and dead letters of OLD to NEW, after a destination was renamed.

    Workers may go on meanwhile; nothing is sent to OLD as long as it lasts. A contact with events at both has them in the
    order of enqueueing. Parked requests are resent as they are, to NEW. What OLD had delivered counts as delivered at NEW,
    so that duplicates stay duplicates. If it is interrupted, the same command goes on where it stopped.
    """
    with opened(redis_url) as redis:
        known = known_destinations(redis, config)
        old = choose(redis, known, old)
        if new == old:
            raise UsageFailure(f"{old} and {new} are one destination")
        if new not in known.names or new in known.orphaned:
            raise UsageFailure(
                f"No worker and no configuration has a destination {new}; add it, restart the workers, and then move"
            )
        hints = Hints(broker_url(redis=redis_url))
        moved = Moved()
        try:
            for now in move_all(redis, old, new, send_hint=hints.send):
                moved = now
        except KeyboardInterrupt:
            _report(old, new, moved, as_json=as_json)
            raise CommandFailure(f"Interrupted; to go on: segue move {old} {new}") from None
        waits = known.standstill(new) or ("it is paused" if redis.exists(Keys(new).paused) else "")
    _report(old, new, moved, as_json=as_json)
    if waits and moved.events:
        remark(f"{new}: what was moved waits: {waits}")
    if moved.left:
        reasons = "\n".join(sorted({f"not moved: {why}" for why in moved.left.values()}))
        contacts = counted(len(moved.left), "contact")
        raise CommandFailure(f"{reasons}\n{contacts} left at {old}; to go on: segue move {old} {new}")


def _report(old: str, new: str, moved: Moved, *, as_json: bool) -> None:
    if as_json:
        numbers = {"events": moved.events, "contacts": len(moved.contacts), "parked": moved.parked}
        emit_json({"from": old, "to": new, **numbers, "dead_letters": moved.dead_letters, "left": len(moved.left)})
        return
    events = f"{counted(moved.events, 'event')} of {counted(len(moved.contacts), 'contact')}"
    others = f"{counted(moved.parked, 'parked request')} and {counted(moved.dead_letters, 'dead letter')}"
    remark(f"Moved from {old} to {new}: {events}, {others}")
