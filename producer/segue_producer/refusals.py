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
from segue_producer.values import describe, id_text, sound, write_json

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
    return "refused-" + blake2b(_content(event)[0].encode(), digest_size=12).hexdigest()


def given_id(event: Any) -> str:
    """The messageId that an event brings, as text, numbers included; "" where it brings none that can be used."""
    given = event.get("messageId") if isinstance(event, Mapping) else None
    try:
        return "" if given is None else id_text(given)
    except ValueError:
        return ""


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
    content, readable = _content(refused.event)
    # A text, which is no event, where it is not whole: so it cannot be replayed by mistake.
    cut = f"{content[:_LONGEST]}… ({len(content)} characters)" if len(content) > _LONGEST else content
    text = content if readable and cut is content else orjson.dumps(cut).decode()
    message_ids = tuple(map(sound, (refused.message_id, *refused.further)))
    # Of a valid event the messageId says which it is; what the Tracking API adds to it differs each time it is sent.
    known = f"{refused.source}\0{message_ids[0]}\0{refused.reason}\0{content if refused.reason == 'invalid' else ''}"
    letter_id = blake2b(known.encode(), digest_size=16).hexdigest()
    fields: dict[str, Any] = {
        "reason": refused.reason,
        # The name of a field may contain half a surrogate pair, as may a messageId, and JSON cannot.
        "detail": sound(refused.detail),
        "contact": (contact_of(refused.event) or "") if isinstance(refused.event, Mapping) else "",
        "mappings": (),
        "message_ids": message_ids,
        "events": (text,),
        "at": at,
        "id": letter_id,
    }
    return letter_id, orjson.dumps(
        fields | ({"sources": (refused.source,) * len(message_ids)} if refused.source else {})
    )


def _content(event: Any) -> tuple[str, bool]:
    """All of an event as text, and whether it is JSON that can be read as an event again."""
    try:
        return write_json(event).decode(), True
    except ValueError:
        return describe(event), False
