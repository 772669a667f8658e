"""`segue contact`: a contact as Loops has it, beside what waits for them here."""

import asyncio
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click
import orjson

from segue_producer.clients import async_redis_client
from segue_producer.keys import Keys, contact_names
from segue_worker.cli.completion import DESTINATION
from segue_worker.cli.group import CommandFailure, UsageFailure
from segue_worker.cli.options import config_option, json_option, named_person, redis_option, times_option
from segue_worker.cli.output import emit, emit_json, moment_of, remark
from segue_worker.cli.store import TIMEOUT_S, choose, opened
from segue_worker.config import Destination
from segue_worker.loops import LoopsRefusedError, NoAnswerError
from segue_worker.masking import HIDDEN, mask_contact, mask_json, show_json
from segue_worker.observing.destinations import known_destinations
from segue_worker.observing.log import LogScan
from segue_worker.observing.status import utc_text_ms
from segue_worker.outbox.names import Sought
from segue_worker.schema.known import asking

_PLAIN: Final = ("delivered", "dead", "parked")
_LOOKED_AT: Final = 100
"""Of the contact's entries in the log, the newest."""


@click.command(
    epilog="Example: segue contact user-42 --reveal", short_help="Show a contact as Loops has it, and what waits."
)
@click.argument("person", metavar="USER_ID|EMAIL", callback=named_person)
@click.option(
    "--destination", type=DESTINATION, metavar="NAME", help="The destination to ask. Needed where there are several."
)
@click.option("--reveal", is_flag=True, help="Show personal data instead of masking it.")
@times_option
@config_option
@redis_option
@json_option
def contact(  # noqa: PLR0913 - one argument for each option
    person: str, *, destination: str | None, reveal: bool, config: Path, redis_url: str, as_json: bool
) -> None:
    """Show the contact PERSON as Loops has it, when Segue last sent something for them, and how much waits.

    Loops is asked once or twice, within the team's rate limit. The values of properties are masked unless --reveal is given.
    Exits with 1 where Loops has no such contact, or does not answer.
    """
    with opened(redis_url) as redis:
        known = known_destinations(redis, config)
        name = choose(redis, known, destination)
        chosen = known.configured(name)
        if chosen is None:
            raise UsageFailure(f"{name} cannot be asked: {known.remark or f'it is not in {config}'}")
        outbox, contacts = Keys(name).outbox, contact_names(person)
        waiting = sum(int(redis.llen(outbox + each)) for each in contacts)
        scan = LogScan(redis, name)
        scan.read()
        sent: dict[str, Any] | None = None
        for logged in scan.of_contacts(Sought.by(person).contacts(scan.names), _LOOKED_AT):
            request = logged.record.request
            if request is not None and request.outcome in _PLAIN:
                sent = {"at": utc_text_ms(logged.at), "path": request.path, "outcome": request.outcome}
        try:
            found = asyncio.run(_find(chosen, redis_url, person))
        except (NoAnswerError, LoopsRefusedError) as error:
            raise CommandFailure(f"{name}: {error}") from None
    text = orjson.dumps(found).decode()
    shown = show_json(text) if reveal else mask_json(text)
    if as_json:
        emit_json({"destination": name, "loops": orjson.loads(shown), "last_sent": sent, "waiting": waiting})
    else:
        if found:
            emit(shown)
        last = (
            f"{sent['path']} at {moment_of(sent['at'])}: {sent['outcome']}"
            if sent
            else "nothing that the log still has"
        )
        remark(f"{name}: {person if reveal else mask_contact(person)}: last sent: {last}; waiting: {waiting:,}")
    if found and not reveal:
        remark(f"{HIDDEN} stands for a value; --reveal shows them")
    if not found:
        raise CommandFailure(f"{name}: Loops has no contact of this userId or email")


async def _find(destination: Destination, redis_url: str, person: str) -> Any:
    """The contact with this userId, or else with this email; None where there is none."""
    async with async_redis_client(redis_url, timeout=TIMEOUT_S) as redis, asking(destination, redis) as asker:
        for field in ("userId", "email") if "@" in person else ("userId",):
            if found := await asker.ask(f"/contacts/find?{field}={quote(person.strip(), safe='')}"):
                return found[0] if isinstance(found, list) else found
    return None
