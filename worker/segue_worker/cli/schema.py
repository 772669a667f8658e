"""`segue schema`: what was sent lately beside what Loops knows."""

import asyncio
import time
from http import HTTPStatus
from pathlib import Path

import click
import orjson

from segue_producer.clients import async_redis_client
from segue_producer.keys import Keys
from segue_worker.cli.completion import DESTINATION
from segue_worker.cli.group import CommandFailure, UsageFailure
from segue_worker.cli.options import config_option, json_option, redis_option, times_option
from segue_worker.cli.output import confirm, emit_json, emit_table, moment, remark
from segue_worker.cli.store import TIMEOUT_S, choose, opened
from segue_worker.config import Destination
from segue_worker.loops import LoopsRefusedError, NoAnswerError
from segue_worker.observing.destinations import known_destinations
from segue_worker.schema.compare import Row, compare, faults, to_dict, type_to_make
from segue_worker.schema.keeping import to_ask
from segue_worker.schema.known import Asking, Known, asking, learn, read_known
from segue_worker.schema.sent import FULL, KEYS_MOST, SentKey, read_sent


@click.command(epilog="Example: segue schema loops --create", short_help="Show what was sent beside what Loops knows.")
@click.argument("destination", required=False, type=DESTINATION)
@click.option("--create", is_flag=True, help="Make the contact properties at Loops that it does not know.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@times_option
@config_option
@redis_option
@json_option
def schema(  # noqa: PLR0913 - one argument for each option
    destination: str | None, *, create: bool, yes: bool, config: Path, redis_url: str, as_json: bool
) -> None:
    """Show the contact properties, mailing lists and events that were sent in the last 30 days, and what Loops knows of them.

    Loops takes a request with a property, list or event property that it does not know, and may drop it without a word.
    Loops is asked anew, within the team's rate limit; where it does not answer, its last answer is shown, with a remark.
    Which names a worker has sent is known a second later, and of 2,000 names at most; values are not kept.

    With --create, the plan is shown, and after a yes the unknown contact properties are made with the type that was sent.
    Lists and event properties can only be made at Loops itself.
    """
    with opened(redis_url) as redis:
        known_names = known_destinations(redis, config)
        name = choose(redis, known_names, destination)
        sent, known = read_sent(redis, name), read_known(redis, name)
        chosen, refused = known_names.configured(name), 0
        if chosen is None:
            known_text = known_names.remark or f"{name} is not in {config}"
            if create:
                raise UsageFailure(f"--create needs the configuration: {known_text}")
            remark(f"Loops is not asked: {known_text}")
        else:
            known, refused = asyncio.run(_work(chosen, redis_url, sent, known, create=create, yes=yes))
            redis.set(Keys(name).known, known.to_json())
    rows = compare(sent, known)
    if as_json:
        emit_json(to_dict(name, rows, known))
    else:
        _show(rows)
    if known.problem:
        remark(f"{name}: {known.problem}; this is what it said {'before' if known.at else 'so far: nothing'}")
    if FULL in sent:
        remark(f"{name}: more than {KEYS_MOST:,} names were sent; further ones are not shown")
    if refused:
        raise CommandFailure(f"Loops refused to make {refused} of them: correct the mappings that send these")


async def _work(  # noqa: PLR0913 - what it is asked to do
    destination: Destination, redis_url: str, sent: dict[str, SentKey], known: Known, *, create: bool, yes: bool
) -> tuple[Known, int]:
    refused = 0
    async with async_redis_client(redis_url, timeout=TIMEOUT_S) as redis, asking(destination, redis) as asker:
        known = await _learn(asker, sent, known)
        if create:
            if known.problem:
                raise CommandFailure(f"{destination.name}: nothing was made: {known.problem}; try again in a moment")
            planned, refused = await _create(asker, faults(compare(sent, known)), yes=yes)
            if planned:
                known = await _learn(asker, sent, known)
    return known, refused


async def _learn(asker: Asking, sent: dict[str, SentKey], known: Known) -> Known:
    return await learn(asker, known, time.time_ns() // 1_000_000, events=to_ask(sent, known, everything=False))


async def _create(asker: Asking, rows: list[Row], *, yes: bool) -> tuple[int, int]:
    """Make the unknown contact properties. Returns how many were to be made, and how many of them Loops refused."""
    plan = [(row.name, kind) for row in rows if (kind := type_to_make(row))]
    for row in rows:
        if not type_to_make(row):
            remark(f"not made here: {row.told}")
    for name, kind in plan:
        remark(f"to be made: property {name!r}, {kind}")
    if not plan:
        remark("there is no contact property to make")
        return 0, 0
    confirm("Make them at Loops?", yes=yes)
    refused = 0
    for name, kind in plan:
        try:
            await asker.ask("/contacts/properties", orjson.dumps({"name": name, "type": kind}))
        except (NoAnswerError, LoopsRefusedError) as error:
            said = f"property {name!r} was not made: {error}"
            # What Loops has against this one says nothing of the next; whatever else is wrong is wrong for all.
            if not isinstance(error, LoopsRefusedError) or error.status != HTTPStatus.BAD_REQUEST:
                raise CommandFailure(said) from None
            refused += 1
            remark(said)
            continue
        remark(f"made: property {name!r}, {kind}")
    return len(plan), refused


def _show(rows: list[Row]) -> None:
    shown = [
        (
            row.kind,
            f"{row.event}: {row.name}" if row.event else row.name,
            row.sent_type,
            row.loops_type,
            row.status,
            moment(row.last_sent * 60_000),
            row.times,
        )
        for row in rows
    ]
    emit_table(("kind", "name", "sent as", "at Loops", "status", "last sent", "events"), shown, numbers=("events",))
    for row in faults(rows):
        remark(row.told)
