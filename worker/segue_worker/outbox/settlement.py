"""What is recorded of a contact's oldest events in one step, and how settle.lua is told. Pure."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import chain
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from segue_worker.outbox.dead_letter import DeadLetter

FORGET: Final = b"-"
"""In the place of a digest: what was confirmed counts no longer."""


class Next(StrEnum):
    """What happens to a contact after a settle."""

    KEEP = "keep"
    RELEASE = "release"
    """It has had its turn: whatever it still has waits behind all others."""
    RETURN = "return"
    """Its turn was cut short: it waits where it waited before."""
    PARK = "park"


_NOTHING: Final[Mapping[Any, Any]] = MappingProxyType({})


class Settlement(NamedTuple):
    """What became of a contact's oldest events.

    Attributes:
        taken: events to take off the head of the outbox.
        replaced: what replaces events that stay, by their place counted from the then oldest.
        next: what happens to the contact.
        park_for_ms: for `Next.PARK`, until when it waits.
        oldest_ms: unix ms at which the oldest event that stays was enqueued, where that is known: its contact's place is no
            older.
        parked: for `Next.PARK`, what is remembered of the attempt.
        digests: of the settled messageIds.
        counters: name → increment.
        dead: requests and events given up.
        record: entry of the log, or empty.
        measures: name → increment.
        explanations: digest → why events were filtered, as JSON.
    """

    taken: int = 0
    replaced: Mapping[int, bytes] = _NOTHING
    next: Next = Next.KEEP
    park_for_ms: int = 0
    oldest_ms: int = 0
    parked: bytes | None = None
    digests: Sequence[bytes] = ()
    counters: Mapping[str, int] = _NOTHING
    dead: Sequence[DeadLetter] = ()
    record: bytes = b""
    measures: Mapping[str, int] = _NOTHING
    explanations: Mapping[str, bytes] = _NOTHING


def arguments(settlement: Settlement, confirms: Mapping[bytes, bytes]) -> list[Any]:
    """What settle.lua is told of a settlement, behind the contact and who holds it."""
    taken, replaced, following, park_for_ms, oldest_ms, parked, digests, counters, dead, record, measures, because = (
        settlement
    )
    args: list[Any] = [taken, len(replaced), *chain.from_iterable(replaced.items())]
    args += (following, park_for_ms if following is Next.PARK else oldest_ms, parked or b"", record)
    args += (len(confirms), *chain.from_iterable(confirms.items()))
    args += (len(digests), *digests)
    for pairs in (counters, measures):
        args += (len(pairs), *chain.from_iterable(pairs.items()))
    args.append(len(dead))
    for letter in dead:
        args += (letter.id, letter.to_json())
    args += (len(because), *chain.from_iterable(because.items()))
    return args
