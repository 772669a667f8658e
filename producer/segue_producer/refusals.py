"""What is done with events that no outbox can take: they become dead letters of the destinations they were meant for.

`segue_worker.outbox.dead_letter` says what a letter's fields mean.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import orjson

from segue_producer.events import contact_of
from segue_producer.keys import STATS_KEPT_S, Keys
from segue_producer.lua import CLOCK, read_script
from segue_producer.values import as_json

_SCRIPT: Final = read_script("segue_producer/bury", CLOCK)
_AT_ONCE: Final = 250
_LONGEST: Final = 64 * 1024
"""Characters that are kept of an event."""


class Refused(NamedTuple):
    """An event that was not taken.

    Attributes:
        message_id: by which it is found; see `id_of` for one that brings none.
        event: whatever was given.
        detail: what is wrong with it, for people; quotes no value.
        word: the same in a word, for metrics.
        reason: the dead letter's: `invalid`, `full` or `misaddressed`.
        source: whose messageId it is.
        further: messageIds of further events that `event` holds.
    """

    message_id: str
    event: Any
    detail: str
    word: str
    reason: str = "invalid"
    source: str = ""
    further: tuple[str, ...] = ()


def id_of(event: Any) -> str:
    """A messageId for what brings none that can be used: made from its content, so that sent again it is the same."""
    return "refused-" + blake2b(as_json(event), digest_size=12).hexdigest()


def bury(redis: Any, destination: str, refused: Sequence[Refused]) -> Iterator[Any]:
    """Make dead letters of refused events; made twice, they are the same.

    Args:
        redis: a client; of asyncio, where what is yielded is awaited before the next step.
        destination: which the events were meant for.
        refused: the events.

    Yields:
        what the client answers to each step, made when it is asked for.
    """
    at = int(time.time() * 1000)
    script = redis.register_script(_SCRIPT)
    keys = Keys(destination)
    names = [keys.dead, keys.dead_at, keys.totals, f"{keys.stats}{at // 60_000}", keys.measures]
    for start in range(0, len(refused), _AT_ONCE):
        args: list[Any] = [0, STATS_KEPT_S]
        for each in refused[start : start + _AT_ONCE]:
            args += (*_letter(each, at), each.word)
        yield script(keys=names, args=args)


def _letter(refused: Refused, at: int) -> tuple[str, bytes]:
    """Id and JSON of a dead letter."""
    text = as_json(refused.event).decode()
    if len(text) > _LONGEST:
        # A text, which is no event: so it cannot be replayed by mistake.
        text = orjson.dumps(f"{text[:_LONGEST]}… ({len(text)} characters)").decode()
    # Of a valid event the messageId says which it is; what the Tracking API adds to it differs each time it is sent.
    content = text if refused.reason == "invalid" else ""
    known = f"{refused.source}\0{refused.message_id}\0{refused.reason}\0{content}"
    letter_id = blake2b(known.encode("utf-8", "replace"), digest_size=16).hexdigest()
    fields: dict[str, Any] = {
        "reason": refused.reason,
        "detail": refused.detail,
        "contact": (contact_of(refused.event) or "") if isinstance(refused.event, Mapping) else "",
        "mappings": (),
        "message_ids": (refused.message_id, *refused.further),
        "events": (text,),
        "at": at,
        "id": letter_id,
    }
    return letter_id, orjson.dumps(
        fields | ({"sources": (refused.source,) * (1 + len(refused.further))} if refused.source else {})
    )
