"""Replaying dead letters: their events go to the end of their contact's outbox, for the mappings that `choosing` chooses.

A replay is deliberate: its entries never count as duplicates, and their requests carry new Idempotency-Keys
(docs/design.md#retries-pauses-and-dead-letters). Only what was never read goes back as it was, since nothing of it was sent.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal, NamedTuple

from redis import Redis
from redis.exceptions import ResponseError

from segue_producer import InvalidEvent
from segue_producer.events import contact_of, prepare
from segue_producer.keys import LOG_ENTRIES, STATS_KEPT_S, Keys, contact_digest
from segue_producer.lanes import Lane
from segue_producer.lua import CLOCK, HINT, LANES, read_script
from segue_worker.delivery.journal import event_name
from segue_worker.operating.dead_letters.choosing import Chooser, History, NotChosenError
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.entry import partial_entry, read_entry
from segue_worker.outbox.log_record import EventPart, Record
from segue_worker.outbox.names import names_of

BATCH: Final = 100
"""Letters replayed in one round trip."""
_SCRIPT: Final = read_script("segue_worker/operating/dead_letters/replay", CLOCK, HINT, LANES)


@dataclass(frozen=True, slots=True)
class Replay:
    """A letter that can be replayed.

    Attributes:
        id: the letter's.
        contact: whose outbox its events go to.
        entries: for that outbox, in order.
        newer: messageId of an update of the contact that was delivered since and that this may undo in part; or "".
    """

    id: str
    contact: str
    entries: tuple[bytes, ...]
    newer: str = ""


@dataclass(frozen=True, slots=True)
class NotReplayable:
    """A letter that cannot be replayed, and why."""

    id: str
    why: str


class Replayed(NamedTuple):
    """What became of a letter: `replayed`, `gone` (it no longer existed), or `refused` (it cannot be replayed, and why).

    `newer` is that of `Replay`.
    """

    id: str
    outcome: Literal["replayed", "gone", "refused"]
    why: str = ""
    newer: str = ""


def prepare_replay(letter: DeadLetter, chooser: Chooser) -> Replay | NotReplayable:
    """Decide what a letter's replay would enqueue.

    Args:
        letter: the letter.
        chooser: chooses the mappings for it.
    """
    if letter.reason == "unreadable" or not letter.events:
        return _read_again(letter, chooser)
    if letter.reason == "misaddressed":
        return NotReplayable(letter.id, "it is not for this destination; enqueue it for the right one, and delete it")
    if letter.reason == "invalid":
        return _validated(letter)
    contact = letter.contact or _contact_of(letter.events)
    if not contact:
        return NotReplayable(letter.id, "its events name no contact; delete it")
    try:
        chosen = chooser.choose(letter)
    except NotChosenError as error:
        return NotReplayable(letter.id, str(error))
    entries = (
        partial_entry(
            *(event, letter.source(place)), only=only, replay=letter.id, beside=letter.others(place, only or ())
        )
        for place, (event, only) in enumerate(zip(letter.events, chosen, strict=True))
    )
    return Replay(letter.id, contact, tuple(entries), chooser.is_outdated(letter, chosen))


def replay(  # noqa: PLR0913 - what a replay is
    redis: "Redis",
    destination: str,
    letters: Iterable[DeadLetter],
    *,
    send_hint: Callable[[str], object],
    chooser: Chooser | None = None,
    lane: Lane = "bulk",
) -> Iterator[Replayed]:
    """Replay letters in the order given; oldest first keeps the order of each contact.

    Each letter is moved in one atomic step, so that an interrupted replay can simply be started again.

    Args:
        redis: client that answers bytes.
        destination: its name.
        letters: to be replayed.
        send_hint: is called with the destination's name if a worker has to be told of the work.
        chooser: chooses the mappings for them; where left out, it is those that failed.
        lane: in which their events wait.

    Yields:
        what became of each letter, in order.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    script = redis.register_script(_SCRIPT)
    chooser = chooser or Chooser(None, History(redis, destination))
    waiting = iter(letters)
    while batch := [prepare_replay(letter, chooser) for letter in islice(waiting, BATCH)]:
        with redis.pipeline(transaction=False) as pipe:
            for item in batch:
                if isinstance(item, Replay):
                    keys, args = _arguments(destination, item, lane)
                    script(keys=keys, args=args, client=pipe)
            answers = iter(pipe.execute(raise_on_error=False))
        hint = False
        results = []
        for item in batch:
            if isinstance(item, NotReplayable):
                results.append(Replayed(item.id, "refused", item.why))
                continue
            answer = next(answers)
            if isinstance(answer, ResponseError):
                results.append(Replayed(item.id, "refused", f"Redis does not take it back: {answer}"))
                continue
            if isinstance(answer, Exception):
                raise answer
            done, wanted = answer
            hint = hint or bool(wanted)
            results.append(Replayed(item.id, "replayed", newer=item.newer) if done else Replayed(item.id, "gone"))
        if hint:
            send_hint(destination)
        yield from results


def _arguments(destination: str, item: Replay, lane: Lane) -> tuple[list[str], list[Any]]:
    keys = Keys(destination)
    minute = int(time.time()) // 60
    names = [
        *(keys.dead, keys.dead_at, keys.outbox + item.contact, keys.due, keys.pending),
        *(keys.run, keys.hinted, keys.paused, f"{keys.stats}{minute}", keys.totals, keys.log, keys.away),
        *(keys.bulk, keys.live, keys.pending_bulk),
    ]
    return names, [0, item.id, item.contact, STATS_KEPT_S, _record(item), LOG_ENTRIES, lane, *item.entries]


def _record(item: Replay) -> bytes:
    """What the log says of a replay."""
    waiting = [read_entry(entry) for entry in item.entries]
    parts = [EventPart(each.identity, event_name(each.event), "replayed", 0, item.id) for each in waiting]
    names = names_of(each.event for each in waiting)
    return Record(contact_digest(item.contact.encode("utf-8", "surrogatepass")), parts, names=names).to_json()


def _read_again(letter: DeadLetter, chooser: Chooser) -> Replay | NotReplayable:
    """Put back an entry that the version before could not read, as it was, if this one can: a newer one had written it."""
    entry = "".join(letter.events[:1])
    waiting = read_entry(entry.encode("utf-8", "surrogatepass"))
    # What was no UTF-8 is no longer what was enqueued.
    if waiting.event is None or not letter.contact or "\N{REPLACEMENT CHARACTER}" in entry:
        return NotReplayable(letter.id, "it holds no event that this version of Segue can read; delete it")
    newer = chooser.is_outdated(letter, [waiting.only if waiting.only is None else list(waiting.only)])
    return Replay(letter.id, letter.contact, (entry.encode("utf-8", "surrogatepass"),), newer)


def _validated(letter: DeadLetter) -> Replay | NotReplayable:
    """Replay an event that was not accepted when it was enqueued, if today's rules accept it."""
    try:
        event = prepare(json.loads(letter.events[0]))
    except ValueError:
        return NotReplayable(
            letter.id, "what is kept of it is not an event; enqueue a corrected one, and delete the letter"
        )
    except InvalidEvent as error:
        return NotReplayable(
            letter.id, f"it is still invalid: {error}; enqueue a corrected event, and delete the letter"
        )
    return Replay(letter.id, event.contact, (partial_entry(event.json.decode(), letter.source(0), replay=letter.id),))


def _contact_of(events: Iterable[str]) -> str | None:
    for text in events:
        try:
            event = json.loads(text)
        except ValueError:
            continue
        contact = contact_of(event) if isinstance(event, dict) else None
        if contact:
            return contact
    return None
