"""For which mappings a dead letter is replayed: those that failed, as far as they match now; else those that match now.

A mapping that was renamed is a new one. So an event whose mapping is gone goes to the mappings that take it now, but for
those that it was for already: they delivered it, or have a dead letter of their own.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import orjson
from redis import Redis
from redis.exceptions import ResponseError

from segue_producer.entries import identity
from segue_producer.keys import Keys, contact_digest
from segue_worker.mapping import ACTIONS, CompiledMapping, lets_through
from segue_worker.observing.log import entries, uncollected
from segue_worker.operating.dead_letters.filtering import Filter
from segue_worker.operating.dead_letters.reading import matching
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.entry import read_entry

_SIGNS: Final = 5
"""Events of a letter up to which the log is searched for them; of more, it is quicker to read it all."""
UPDATES_PATH: Final = ACTIONS["createOrUpdateContact"].path


class NotChosenError(Exception):
    """No mapping is found for which a letter could be replayed; says why, and what to do."""


class History:
    """What became of events, as far as the log, the outbox and the dead letters say; each is read when it is first asked.

    Args:
        redis: client that answers bytes.
        destination: its name.
        only: a letter, where only that is asked about: then no more is read than it needs.
    """

    def __init__(self, redis: "Redis", destination: str, only: DeadLetter | None = None) -> None:
        self._redis = redis
        self._destination = destination
        self._waiting: dict[str, dict[str, set[str]]] = {}
        self._having = _signs(only) if only is not None and len(only.message_ids) <= _SIGNS else []

    @cached_property
    def _read(self) -> tuple[dict[str, set[str]], dict[str, tuple[int, str]]]:
        with uncollected():
            return self._read_log()

    def _read_log(self) -> tuple[dict[str, set[str]], dict[str, tuple[int, str]]]:
        delivered: dict[str, set[str]] = {}
        updates: dict[str, tuple[int, str]] = {}
        for at, record, _ in entries(self._redis, self._destination, self._having):
            for part in record.events:
                delivered.setdefault(part.message_id, set())
            request = record.request
            if request is not None and request.outcome == "delivered":
                for message_id, mapping in request.refs:
                    delivered.setdefault(message_id, set()).add(mapping)
                if request.path == UPDATES_PATH:
                    updates[record.contact] = (at, request.refs[-1][0])
        return delivered, updates

    def delivered(self, message_id: str) -> set[str] | None:
        """The mappings whose request for an event was delivered; None where the log does not know the event."""
        return self._read[0].get(message_id)

    def elsewhere(self, letter: DeadLetter, event_id: str) -> set[str]:
        """The mappings that an event of a letter waits for already, or has another dead letter of."""
        if letter.contact not in self._waiting:
            self._waiting[letter.contact] = self._read_waiting(letter.contact)
        return self._waiting[letter.contact].get(event_id, set()) | {
            mapping for letter_id, mapping in self._letters.get(event_id, ()) if letter_id != letter.id
        }

    def _read_waiting(self, contact: str) -> dict[str, set[str]]:
        """What waits for a contact and was planned: event → mappings."""
        found: dict[str, set[str]] = {}
        outbox = (Keys(self._destination).outbox + contact).encode("utf-8", "surrogatepass")
        with suppress(ResponseError):
            raws: Any = self._redis.lrange(outbox, 0, -1)
            for waiting in map(read_entry, raws):
                found.setdefault(waiting.identity, set()).update(waiting.only or ())
        return found

    @cached_property
    def _letters(self) -> dict[str, list[tuple[str, str]]]:
        """Event → the letters that name it, and their mappings for it."""
        found: dict[str, list[tuple[str, str]]] = {}
        for letter in matching(self._redis, self._destination, Filter()):
            for place, mapping in letter.refs:
                found.setdefault(_identity(letter, place), []).append((letter.id, mapping))
        return found

    def newer_update(self, letter: DeadLetter) -> str | None:
        """The messageId of the last update of the letter's contact that was delivered since the letter was written."""
        at, message_id = self._read[1].get(_digest(letter), (0, ""))
        return message_id if at > letter.at else None


@dataclass(slots=True)
class Chooser:
    """Chooses mappings for the letters of one replay.

    Attributes:
        mappings: the destination's; None where they are not known: then each letter goes to those that failed.
        history: what was delivered.
        only: name of the mapping that a person chose, or None.
    """

    mappings: Sequence[CompiledMapping] | None
    history: History
    only: str | None = None
    _taken: set[tuple[str, str]] = field(default_factory=set)

    def choose(self, letter: DeadLetter) -> list[list[str] | None]:
        """The mappings for each event of a letter, None standing for all that take it when its turn comes.

        Raises:
            NotChosenError: there is none for one of them.
        """
        return [self._for_event(letter, place) for place in range(len(letter.events))]

    def is_outdated(self, letter: DeadLetter, chosen: Sequence[list[str] | None]) -> str:
        """The messageId of a newer update that a replay would undo in part; "" where there is none, or none is known."""
        actions = {each.name: each.action for each in self.mappings or ()}
        names = {name for names in chosen for name in names or letter.mappings or actions}
        if any(actions.get(name, "createOrUpdateContact") == "createOrUpdateContact" for name in names):
            return self.history.newer_update(letter) or ""
        return ""

    def _for_event(self, letter: DeadLetter, place: int) -> list[str] | None:
        failed = _failed(letter, place)
        if self.mappings is None:
            return failed or None
        event = read_entry(letter.events[place].encode()).event or {}
        known = {each.name: each for each in self.mappings}
        matching = [each.name for each in self.mappings if _takes(each, event)]
        if self.only is not None:
            return self._for_chosen(letter, place, self.only, [name for name in failed if name in matching])
        if not failed:
            if not matching:
                raise NotChosenError("no mapping takes it now; correct a trigger, or choose one with --mapping")
            return None
        if off := [name for name in failed if name in known and name not in matching]:
            raise NotChosenError(
                f"{off[0]!r} does not take it now ({_why(known[off[0]], event)}); correct that, or choose a mapping with "
                "--mapping"
            )
        chosen = [name for name in failed if name in known]
        if gone := [name for name in failed if name not in known]:
            chosen += self._instead(letter, place, gone, [name for name in matching if name not in failed])
        return chosen

    def _instead(self, letter: DeadLetter, place: int, gone: Sequence[str], matching: Sequence[str]) -> list[str]:
        """The mappings that take an event in place of those that are gone."""
        event_id = _identity(letter, place)
        delivered = self.history.delivered(event_id)
        names = ", ".join(map(repr, gone))
        if letter.beside is None and delivered is None:
            raise NotChosenError(
                f"the configuration has no mapping {names}, and which others delivered it is not known any more; choose "
                "one with --mapping"
            )
        elsewhere = self.history.elsewhere(letter, event_id)
        sent = {*letter.others(place), *(delivered or ())} - elsewhere
        others = sent | elsewhere
        actions = {each.name: ACTIONS[each.action].path for each in self.mappings or ()}
        paths = {_path(letter, place, name) for name in gone}
        found = [
            name
            for name in matching
            if name not in others
            and not paths.isdisjoint({None, actions[name]})
            and (event_id, name) not in self._taken
        ]
        if not found:
            raise NotChosenError(
                f"the configuration has no mapping {names}, and none that takes it instead; add one, choose one with "
                "--mapping, or delete the letter"
            )
        if len(found) > len(gone) and (renamed := sorted(sent.difference(actions))):
            # One of them may be what delivered it, under another name.
            raise NotChosenError(
                f"the configuration has no mapping {names}, nor {', '.join(map(repr, renamed))}, by which it "
                f"was sent: which of {', '.join(map(repr, found))} stands for which is not known; choose one with --mapping"
            )
        self._taken.update((event_id, name) for name in found)
        return found

    def _for_chosen(self, letter: DeadLetter, place: int, name: str, matching: list[str]) -> list[str]:
        """The mappings of an event where a person chose one: it takes the place of those that are gone, or of all."""
        failed, known = _failed(letter, place), {each.name for each in self.mappings or ()}
        if name in failed:
            return [each for each in failed if each == name or each in matching]
        is_gone = not known.issuperset(failed)
        if matching and name in letter.mappings and not is_gone:
            # The letter is of a merge, in which the chosen one stood for other events.
            return matching
        self._not_twice(letter, place, name)
        return [*(matching if is_gone else ()), name]

    def _not_twice(self, letter: DeadLetter, place: int, name: str) -> None:
        event_id = _identity(letter, place)
        if name in (self.history.delivered(event_id) or ()):
            raise NotChosenError(f"{name!r} delivered it already")
        if (event_id, name) in self._taken or name in self.history.elsewhere(letter, event_id):
            raise NotChosenError(f"{name!r} has it already: it waits there to be sent, or has another dead letter")
        self._taken.add((event_id, name))


def _signs(letter: DeadLetter) -> list[bytes]:
    """What stands in each entry of the log that says something of a letter's contact or events."""
    return [_digest(letter).encode(), *(orjson.dumps(message_id)[1:] for message_id in letter.message_ids)]


def _digest(letter: DeadLetter) -> str:
    return contact_digest(letter.contact.encode("utf-8", "surrogatepass"))


def _failed(letter: DeadLetter, place: int) -> list[str]:
    """The mappings of a letter's event that failed; empty where all are meant."""
    if not letter.refs:
        return list(letter.mappings)
    return [mapping for event, mapping in letter.refs if event == place]


def _path(letter: DeadLetter, place: int, mapping: str) -> str | None:
    """Where the request of a mapping went; None where there never was one."""
    if letter.request is None:
        return None
    # What stands in an event's request before the event itself are updates that were folded into it.
    return letter.request["path"] if letter.refs[-1:] in ((), ((place, mapping),)) else UPDATES_PATH


def _identity(letter: DeadLetter, place: int) -> str:
    """What the log knows an event of a letter by."""
    return identity(letter.source(place), letter.message_ids[place]) if place < len(letter.message_ids) else ""


def _takes(mapping: CompiledMapping, event: dict[str, Any]) -> bool:
    return mapping.enabled and lets_through(event) and mapping.trigger(event)


def _why(mapping: CompiledMapping, event: dict[str, Any]) -> str:
    if not mapping.enabled:
        return "it is disabled"
    return f"it requires {mapping.trigger.text}" if lets_through(event) else "the event's integrations exclude Loops"
