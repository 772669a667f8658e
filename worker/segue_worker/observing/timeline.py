"""The recent events of a person, from all places that know: the log, the outboxes and the dead letters."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final, NamedTuple

import orjson
from redis import Redis

from segue_producer.keys import Keys, contact_digest, contact_names
from segue_worker.observing.log import LogScan, order, uncollected
from segue_worker.observing.log_lines import Line, LogFilter
from segue_worker.observing.outbox_search import WaitingEvent, in_outbox, outboxes
from segue_worker.observing.trace import Sources, trails_of
from segue_worker.observing.trail import Trail
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.entry import Waiting, read_entry
from segue_worker.outbox.log_record import Attempt
from segue_worker.outbox.names import DIGEST, Sought, name_digest, names_of, spelled

CONTACTS_LOOKED_AT: Final = 10_000
"""Contacts whose outboxes are searched for an id that is not the contact's own: those that are claimed or parked first."""
ENTRIES_LOOKED_AT: Final = 400_000
"""Entries read of all logs together; where there are more, the newest of each."""
LETTERS_LOOKED_AT: Final = 5000
"""Dead letters read of each destination, the newest; whoever died is in the log, too, as long as that has them."""
LETTERS_FOUND: Final = 500
"""Of these, so many that may be theirs."""
_LETTERS_AT_ONCE: Final = 1000


class _Outbox(NamedTuple):
    """An outbox that may be theirs: its contact, the digests that its events name, and the events."""

    contact: bytes
    names: str
    events: list[Waiting]


class Timeline(NamedTuple):
    """What is known of a person, or of an event.

    Attributes:
        trails: of each event, the latest first.
        waiting: those that are in outboxes, by destination and what they are known by.
        whole: whether the logs, and the dead letters, were read to their ends.
    """

    trails: list[Trail]
    waiting: dict[tuple[str, str], WaitingEvent]
    whole: bool


def read_timeline(  # noqa: PLR0913 - whom, where, and how much
    redis: "Redis",
    standstills: dict[str, str],
    identity: str,
    *,
    most: int,
    message_id: str = "",
    wanted: LogFilter = LogFilter(),  # noqa: B008 - it never changes
    reveal: bool = False,
) -> Timeline:
    """Find the recent events of a person.

    The person may be named by any id that one of their events has, in any spelling. Events that name it lead to their
    contacts, and all events of these are found: those without that id too.

    Args:
        redis: client that answers bytes.
        standstills: name of each destination → why nothing is sent to it at all, "" where nothing is known of that.
        identity: a userId, an email or an anonymousId.
        most: how many events at most.
        message_id: find the events with this messageId as well.
        wanted: choose events by their outcome, and by what one of their steps says.
        reveal: show personal data in answers instead of masking it.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    sizes = _sizes(redis, list(standstills))
    everything = max(1, sum(size for size, _, _ in sizes.values()))
    trails: list[Trail] = []
    waiting: dict[tuple[str, str], WaitingEvent] = {}
    for name, (size, waits, dead) in sizes.items():
        if not (size or waits or dead):
            continue
        newest = min(size, ENTRIES_LOOKED_AT * size // everything) or 1
        search = _Search(redis, name, identity, message_id)
        with uncollected():
            known = search.sources(most, standstills[name], newest=newest, waits=bool(waits), dead=bool(dead))
        trails += [
            trail
            for trail in trails_of(redis, name, replace(known, reveal=reveal))
            if any(map(wanted.matches, _lines(trail)))
        ]
        waiting |= {(name, found.waiting.identity): found for found in reversed(known.waiting)}
    trails.sort(key=lambda trail: trail.began, reverse=True)
    whole = everything <= ENTRIES_LOOKED_AT and all(dead <= LETTERS_LOOKED_AT for _, _, dead in sizes.values())
    return Timeline(trails[:most], waiting, whole)


def _lines(trail: Trail) -> Iterator[Line]:
    """The steps of a trail as lines of the log, each with the outcome that the event has now."""
    for step in trail.steps:
        mapping = step.details.get("mapping", "")
        answer = (Attempt(0, step.details["status"] or 0, 0),) if step.what == "attempt" else ()
        at = step.at or int(time.time() * 1000)
        names = (mapping, *mapping.split(", "))
        yield Line(at, trail.destination, trail.message_id, trail.name, trail.outcome, names, answer)


class _Search:
    """The search for a person at one destination."""

    def __init__(self, redis: "Redis", destination: str, identity: str, message_id: str) -> None:
        self._redis = redis
        self._destination = destination
        self._keys = Keys(destination)
        self._identity = identity
        self._sought = Sought.by(identity)
        self._message_id = message_id
        self._passed_over: set[str] = set()
        signs = {spelled(identity), message_id.lower() or spelled(identity)}
        # How JSON spells others is not known, so that they may be anywhere.
        self._signs = [orjson.dumps(sign)[1:-1] for sign in signs] if all(map(str.isascii, signs)) else [b""]

    def sources(self, most: int, standstill: str, *, newest: int, waits: bool, dead: bool) -> Sources:
        """What is known of their events.

        Args:
            most: how many events at most; an event has a few entries in the log.
            standstill: see `Sources`.
            newest: how many entries of the log are read.
            waits: whether anything waits at the destination.
            dead: whether it has dead letters; as of the log, only the newest of theirs are told.
        """
        scan = LogScan(self._redis, self._destination, self._message_id, most=newest)
        outboxes = list(self._outboxes(set())) if waits else []
        letters = list(islice(self._letters(), LETTERS_FOUND)) if dead else []
        # Behind the outboxes, or an event that was settled meanwhile would be found in neither.
        scan.read()
        contacts = self._sought.contacts(
            [*scan.names, *(each.names for each in outboxes), *(names for names, _ in letters)]
        )
        if contacts & self._passed_over:
            # Of further contacts of theirs, nothing need name the id that was given.
            outboxes = list(self._outboxes(contacts))
            scan.read()
        entries = {item.id: item for item in (*scan.naming, *scan.of_contacts(contacts, 4 * most))}
        theirs = (
            letter
            for names, letter in letters
            if names[:DIGEST] in contacts or (self._message_id and self._message_id in letter.message_ids)
        )
        return Sources(
            logged=[entries[each] for each in sorted(entries, key=order)],
            waiting=[each for outbox in outboxes for each in self._waiting(outbox, contacts, most)],
            letters=list(islice(theirs, 4 * most)),
            standstill=standstill,
            message_id=self._message_id,
        )

    def _outboxes(self, theirs: set[str]) -> Iterator[_Outbox]:
        """The outboxes that may be theirs: their contact's own, those of contacts that are known to be theirs, and those that name them."""
        names = {self._identity.strip(), *contact_names(self._identity)}
        own = [name.encode("utf-8", "surrogatepass") for name in names]
        told = set[bytes]()
        for contact, _, entries in islice(outboxes(self._redis, self._keys, own), CONTACTS_LOOKED_AT):
            if contact in told:
                continue
            told.add(contact)
            if contact in own or contact_digest(contact) in theirs or any(map(self._may_name, entries)):
                events = [read_entry(raw) for raw in entries]
                named = " ".join((contact_digest(contact), *names_of(each.event for each in events)))
                yield _Outbox(contact, named, events)
            else:
                self._passed_over.add(contact_digest(contact))

    def _waiting(self, outbox: _Outbox, contacts: set[str], most: int) -> Iterator[WaitingEvent]:
        theirs = outbox.names[:DIGEST] in contacts
        places = [
            place
            for place, waiting in enumerate(outbox.events)
            if theirs or (self._message_id and waiting.message_id == self._message_id)
        ]
        return in_outbox(
            self._redis, self._destination, outbox.contact, {place: outbox.events[place] for place in places[-most:]}
        )

    def _letters(self) -> Iterator[tuple[str, DeadLetter]]:
        """The dead letters that may be theirs, newest first, each with the digests of whom it names."""
        keys = self._keys
        ids: Any = self._redis.zrevrange(keys.dead_at, 0, LETTERS_LOOKED_AT - 1)
        for start in range(0, len(ids), _LETTERS_AT_ONCE):
            some = ids[start : start + _LETTERS_AT_ONCE]
            for letter_id, raw in zip(some, self._redis.hmget(keys.dead, some), strict=True):
                if isinstance(raw, bytes) and self._may_name(raw):
                    letter = DeadLetter.read(letter_id.decode(), raw)
                    events = (read_entry(event.encode()).event for event in letter.events)
                    yield " ".join((name_digest(letter.contact), *names_of(events))), letter

    def _may_name(self, raw: bytes) -> bool:
        """Whether an entry of an outbox, or a dead letter, may name the person or the event."""
        lower = raw.lower()
        return any(sign in lower for sign in self._signs)


def _sizes(redis: "Redis", names: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """How many entries the log of each destination has, whether anything waits there, and how many dead letters it has."""
    with redis.pipeline(transaction=False) as pipe:
        for name in names:
            keys = Keys(name)
            pipe.xlen(keys.log)
            pipe.exists(keys.away, keys.due, keys.bulk)
            pipe.zcard(keys.dead_at)
        found = iter(pipe.execute())
    return {name: (next(found), next(found), next(found)) for name in names}
