"""How the events of a contact from two destinations become one list. Pure.

They come in the order of enqueueing, as far as that changes neither list's own order: a replay is behind what was
enqueued after its event. What was begun stays together, and is finished before what comes behind it.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha1
from heapq import merge
from itertools import chain
from typing import NamedTuple

from segue_worker.outbox.begun import Begun, begun_entry, split_entry
from segue_worker.outbox.entry import read_entry, with_origin
from segue_worker.outbox.outgoing import Parked


class Held(NamedTuple):
    """What a move has taken of a contact at the old destination.

    Attributes:
        lease: under which it holds the contact.
        entries: the oldest, as they lie in the outbox.
        begun: what was begun of them.
        since: unix ms since which the contact has been waiting.
        lane: in which.
    """

    lease: str
    entries: Sequence[bytes]
    begun: Begun
    since: int
    lane: str = "live"

    @classmethod
    def read(cls, lane: str, lease: str, parked: str, entries: Sequence[bytes]) -> "Held":
        """Read the answer of hold.lua."""
        _, _, _, _, since, *claims = lease.split(":")
        interrupted, by, left = claims or ("0", "", "0")
        return cls(lease, entries, Begun(parked, int(interrupted), by, int(left)), int(since), lane)


class There(NamedTuple):
    """What waits for the contact at the new destination.

    Attributes:
        entries: the oldest, as they lie in the outbox.
        lease: who holds it, or "".
        parked: the record of its parked request, or "".
        claimed: whether a run has claimed it.
    """

    entries: Sequence[bytes]
    lease: str = ""
    parked: str = ""
    claimed: bool = False

    @property
    def stay(self) -> int:
        """How many entries the run that has claimed it goes by."""
        return int(self.lease.split(":")[3]) if self.claimed else 0

    @property
    def begun(self) -> Begun:
        """What was begun of the oldest entries, unless a run has it in hand."""
        if self.claimed or not (self.lease or self.parked):
            return Begun()
        if not self.lease:
            return Begun(self.parked)
        owner, _, settled, left, _, *claims = self.lease.split(":")
        earlier, by = claims or ("0", owner)
        unrecorded = 1 + int(earlier) if settled == "0" else 1
        return Begun(self.parked, unrecorded, by or owner, int(left))


class Arrival(NamedTuple):
    """What arrive.lua is to make of the contact at the new destination.

    Attributes:
        replaced: how many entries behind those that stay are replaced.
        known: SHA-1 of these.
        entries: in their place.
        lease: who holds it then, or "".
        parked: the record of its parked request then, or "".
        until: unix ms of the next attempt of that request, or 0.
    """

    replaced: int
    known: str
    entries: Sequence[bytes]
    lease: str
    parked: str
    until: int


def join(held: Held, there: There, origin: str) -> Arrival:
    """Decide how what was held at `origin` joins what is there."""
    sent = held.begun.entries if held.begun.interrupted else 0
    ours = [*(with_origin(raw, origin) for raw in held.entries[:sent]), *held.entries[sent:]]
    ours[0] = _begin(ours[0], held.begun)
    before = there.entries[there.stay :]
    theirs = [_begin(before[0], there.begun), *before[1:]] if before else []
    joined = list(chain.from_iterable(entries for _, entries in merge(_groups(ours), _groups(theirs), key=_time)))
    # What stays as it is at the end need not be written anew.
    same = 0
    while same < len(before) and joined[-1 - same] == before[-1 - same]:
        same += 1
    replaced = before[: len(before) - same]
    known = sha1(b"".join(replaced), usedforsecurity=False).hexdigest()
    joined = joined[: len(joined) - same]
    if there.claimed:
        return Arrival(len(replaced), known, joined, there.lease, there.parked, 0)
    first, begun = split_entry(joined[0])
    until = Parked.from_json(begun.parked.encode()).next if begun.parked else 0
    return Arrival(len(replaced), known, [first, *joined[1:]], _lease(begun, held.since), begun.parked, until)


def reaches_beyond(held: Held, there: There) -> bool:
    """Whether entries may belong behind those that were read at the new destination."""
    ours, theirs = list(_groups(held.entries)), list(_groups(there.entries[there.stay :]))
    return bool(theirs) and ours[-1][0] >= theirs[-1][0]


def _begin(raw: bytes, begun: Begun) -> bytes:
    """An entry with what was begun of it, besides what is known of it already from where it was before."""
    entry, earlier = split_entry(raw)
    both = Begun(
        begun.parked or earlier.parked,
        begun.interrupted or earlier.interrupted,
        begun.by or earlier.by,
        begun.entries or earlier.entries,
    )
    return begun_entry(entry, both)


def _lease(begun: Begun, since: int) -> str:
    """The lease that a lapsed claim of the entries would have left, so that the next claim knows of it."""
    if not begun.interrupted:
        return ""
    earlier = f":{begun.interrupted - 1}:{begun.by}" if begun.interrupted > 1 else ""
    return f"{begun.by or 'moved'}:0:0:{begun.entries}:{since}{earlier}"


def _groups(entries: Sequence[bytes]) -> Iterator[tuple[int, Sequence[bytes]]]:
    """The entries, with the time that each has in the order; those that were begun together as one."""
    latest = place = 0
    while place < len(entries):
        size = _size(split_entry(entries[place])[1])
        latest = max(latest, read_entry(entries[place]).enqueued)
        yield latest, entries[place : place + size]
        place += size


def _size(begun: Begun) -> int:
    """How many entries an entry stands at the head of."""
    request = Parked.from_json(begun.parked.encode()).request if begun.parked else None
    places = [ref.event + 1 for ref in request.refs] if request else []
    return max([1, begun.entries, *places])


def _time(group: tuple[int, Sequence[bytes]]) -> int:
    return group[0]
