"""`segue forget`: delete a person's data."""

import asyncio
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click
from redis import Redis, ResponseError

from segue_producer.clients import async_redis_client
from segue_worker.cli.group import CommandFailure, UsageFailure
from segue_worker.cli.options import config_option, json_option, named_person, redis_option
from segue_worker.cli.output import confirm, emit_json, remark
from segue_worker.cli.store import TIMEOUT_S, opened
from segue_worker.observing.destinations import KnownDestinations, former_names, known_destinations
from segue_worker.operating.forget import forget_at_loops, forget_here
from segue_worker.printable import counted

_NOT_ALL: Final = "not all of this person could be deleted; give the command again once it is mended"


@click.command(
    epilog="Example: segue forget user-42 --loops",
    short_help="Delete a person's data here, and their contact at Loops.",
)
@click.argument("person", metavar="USER_ID|EMAIL|ANONYMOUS_ID", callback=named_person)
@click.option("--loops", is_flag=True, help="Also tell Loops to delete the contact.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
@redis_option
@json_option
def forget(  # noqa: PLR0913 - one argument for each option
    person: str, *, loops: bool, yes: bool, config: Path, redis_url: str, as_json: bool
) -> None:
    """Delete the waiting events, dead letters and log entries of a person at every destination.

    The person may be named by any of their ids, an email in any spelling. Events that wait or died and name it lead to
    their other ids: what is kept under their userId is deleted too, and what is kept under their emails and anonymousId
    without a userId. Log entries are found by the given id, and by those to which it leads: name the person by each id they had.

    If a delivery of theirs is under way, the command waits for up to 6 seconds until it has ended. After that no request
    leaves for what was enqueued before. What was delivered is kept by Loops; --loops deletes the contact there too. Stop
    enqueueing for the person first, or new events will follow.
    """
    confirm("Delete everything that is kept of this person? This cannot be undone", yes=yes)
    with opened(redis_url) as redis:
        known = known_destinations(redis, config)
        if loops and known.config is None:
            raise UsageFailure(f"--loops needs the configuration: {known.remark}")
        removed, failed = _here(redis, known, person)
    if loops:
        for name, deleted in asyncio.run(_at_loops(known, redis_url, person)).items():
            removed.setdefault(name, {})["contact_deleted"] = deleted
    if as_json:
        emit_json(removed)
    for name, counts in ((name, counts) for name, counts in removed.items() if name not in failed):
        at_loops = {True: "; contact deleted at Loops", False: "; no such contact at Loops", None: ""}
        kept = f"{counted(counts['events'], 'event')}, {counted(counts['dead_letters'], 'dead letter')}"
        log = f"{counts['log_entries']:,} log entr{'y' if counts['log_entries'] == 1 else 'ies'}"
        remark(f"{name}: deleted {kept} and {log}{at_loops[counts.get('contact_deleted')]}")
    if failed:
        raise CommandFailure("\n".join(f"{name}: {_NOT_ALL}: {known.damaged[name]}" for name in failed))


def _here(redis: "Redis", known: KnownDestinations, person: str) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """What was deleted at each destination; and the damaged ones at which not all could be."""
    removed: dict[str, dict[str, Any]] = {}
    failed = []
    for name in (*known.forget_order, *former_names(redis, known.names)):
        try:
            removed[name] = asdict(forget_here(redis, name, person, wait=_wait))
        except ResponseError:
            # It keeps nobody from being forgotten at the others.
            if name not in known.damaged:
                raise
            failed.append(name)
    return removed, failed


def _wait(seconds: float) -> None:
    remark(f"a delivery of theirs is under way; it has ended in {math.ceil(seconds)} s at most")
    time.sleep(seconds)


async def _at_loops(known: KnownDestinations, redis_url: str, person: str) -> dict[str, bool]:
    if known.config is None:
        raise CommandFailure("the configuration is gone")
    async with async_redis_client(redis_url, timeout=TIMEOUT_S) as redis:
        return {item.name: await forget_at_loops(redis, item, person) for item in known.config.destinations}
