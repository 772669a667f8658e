"""Moves what waits, is parked or died at one destination to another name, while workers run.

The two may be in different slots of a cluster, so no step can do it at once. Each contact is held at the old
destination, put among what waits at the new one under a token that is noted there, and then taken off: whatever is
killed in between, the next move of the same two finds how far it came.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final
from uuid import uuid4

import orjson
from redis import Redis
from redis.exceptions import ResponseError

from segue_producer.keys import LOG_ENTRIES, Keys, contact_digest
from segue_producer.lua import CLOCK, HINT, LANES, WHEN_FULL, read_script
from segue_producer.writing import write
from segue_worker.delivery.journal import event_name
from segue_worker.errors import SegueError
from segue_worker.operating.moving.belongings import move_letters, remember
from segue_worker.operating.moving.joining import Arrival, Held, There, join, reaches_beyond
from segue_worker.outbox.entry import read_entry
from segue_worker.outbox.log_record import EventOutcome, EventPart, Record
from segue_worker.outbox.names import names_of
from segue_worker.outbox.outbox import AWAY
from segue_worker.outbox.pause import Pause, PauseKind, begin
from segue_worker.outbox.redis_time import time_ms

CONTACTS_AT_ONCE: Final = 100
ENTRIES_AT_ONCE: Final = 200
"""Of each contact; more than one request stands for."""
_READ_THERE: Final = 1000
_HELD_MS: Final = 366 * 24 * 3_600_000
PATIENCE_S: Final = 90.0
"""How long to wait for runs of the old destination to give their contacts back, without any progress."""
BEHIND_AFTER_S: Final = 8.0
"""How long to wait for a run of the new destination to give a contact back; then what arrives comes behind what it has."""
_POLL_S: Final = 0.05
_DIRECTORY: Final = "segue_worker/operating/moving"
_HOLD: Final = read_script(f"{_DIRECTORY}/hold", CLOCK, WHEN_FULL, LANES, AWAY)
_ARRIVE: Final = read_script(f"{_DIRECTORY}/arrive", CLOCK, HINT, LANES)
_LEAVE: Final = read_script(f"{_DIRECTORY}/leave", CLOCK, WHEN_FULL, LANES)


class MoveError(SegueError):
    """A move that cannot be made, or not now."""


@dataclass(slots=True)
class Moved:
    """How far a move has come.

    Attributes:
        events: how many were moved.
        contacts: whose they were.
        parked: how many of these had a parked request.
        dead_letters: how many were moved.
        left: contacts that stayed, with why.
    """

    events: int = 0
    contacts: set[bytes] = field(default_factory=set)
    parked: int = 0
    dead_letters: int = 0
    left: dict[bytes, str] = field(default_factory=dict)


def move(
    redis: "Redis",
    old: str,
    new: str,
    *,
    send_hint: Callable[[str], object],
    wait: Callable[[float], object] = time.sleep,
) -> Iterator[Moved]:
    """Move everything that is kept for delivery at `old` to `new`; what `old` has settled is remembered there too.

    While it lasts nothing is sent to `old`. Of a contact with events at both, the order is that of enqueueing.

    Args:
        redis: client that answers bytes.
        old: name of a destination.
        new: another one, which must be known to exist.
        send_hint: is called with the name of `new` if a worker has to be told of the work.
        wait: is called with seconds to wait until runs give contacts back.

    Yields:
        how far it has come, again and again.

    Raises:
        MoveError: an earlier move, to or from elsewhere, was interrupted and is not finished.
        redis.RedisError: Redis does not answer; the same move goes on where it stopped.
    """
    return _Move(redis, old, new, send_hint, wait).run()


class _Move:
    def __init__(
        self, redis: "Redis", old: str, new: str, send_hint: Callable[[str], object], wait: Callable[[float], object]
    ) -> None:
        self._redis = redis
        self._old, self._new = old, new
        self._from, self._to = Keys(old), Keys(new)
        self._arrived = self._to.arrived + old
        self._send_hint = send_hint
        self._wait = wait
        self._moved = Moved()
        self._token = ""
        names = {"hold": _HOLD, "arrive": _ARRIVE, "leave": _LEAVE}
        self._scripts = {name: redis.register_script(text) for name, text in names.items()}

    def run(self) -> Iterator[Moved]:
        self._begin()
        remember(self._redis, self._from, self._to)
        waited = 0.0
        while True:
            before = self._moved.events
            contacts = self._contacts()
            for start in range(0, len(contacts), CONTACTS_AT_ONCE):
                self._move_contacts(contacts[start : start + CONTACTS_AT_ONCE], behind=waited >= BEHIND_AFTER_S)
                yield self._moved
            letters, arrived = move_letters(self._redis, self._from, self._to, self._arrived, self._token)
            self._moved.dead_letters += arrived
            yield self._moved
            if not contacts and not letters:
                break
            if self._moved.events > before or letters:
                waited = 0.0
            elif waited >= PATIENCE_S or set(contacts) <= self._moved.left.keys():
                self._moved.left = dict.fromkeys(contacts, "a run has claimed it, and does not give it back")
                return
            else:
                self._wait(_POLL_S)
                waited += _POLL_S
        remember(self._redis, self._from, self._to)
        self._end()

    def _begin(self) -> None:
        """Note at the old destination where everything goes, and hold it."""
        for keys, other in ((self._from, self._new), (self._to, None)):
            raw = self._redis.get(keys.moving)
            if raw is not None and (to := orjson.loads(raw)["to"]) != other and (other or to == self._old):
                name = self._old if other else self._new
                raise MoveError(f"a move of {name} to {to} is not finished; finish it first: segue move {name} {to}")
        begun = orjson.dumps({"to": self._new, "token": uuid4().hex})
        write(self._redis, "SET", self._from.moving, begun, "NX")
        self._token = orjson.loads(self._redis.get(self._from.moving) or b"")["token"]
        pause = begin(PauseKind.HAND, self._reason, time_ms(self._redis.time()))
        raw = self._redis.get(self._from.paused)
        # One that ends by itself might end meanwhile.
        stays = raw is None or Pause.from_json(raw).until is None
        write(self._redis, "SET", self._from.paused, pause.to_json(), *(["NX"] if stays else []))

    @property
    def _reason(self) -> str:
        return f"what it holds is being moved to {self._new}; to go on: segue move {self._old} {self._new}"

    def _end(self) -> None:
        """Forget the move, in an order in which a repeat finds nothing that it could take for undone."""
        former: Any = self._redis.hget(self._to.settings, "moved_from")
        names = [each for each in (former or b"").decode().split() if each != self._old]
        write(self._redis, "HSET", self._to.settings, "moved_from", " ".join([*names, self._old]))
        self._redis.delete(self._arrived)
        self._redis.delete(self._from.moving)
        raw = self._redis.get(self._from.paused)
        if raw is not None and Pause.from_json(raw).reason == self._reason:
            self._redis.delete(self._from.paused)

    def _contacts(self) -> list[bytes]:
        """Those that have something at the old destination, longest waiting first."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.zrange(self._from.due, 0, -1)
            pipe.zrange(self._from.bulk, 0, -1)
            pipe.zrange(self._from.away, 0, -1)
            return list(dict.fromkeys(chain.from_iterable(pipe.execute())))

    def _move_contacts(self, contacts: Sequence[bytes], *, behind: bool) -> None:
        held = self._hold(contacts)
        hint = False
        arrived: dict[bytes, Held] = {}
        for contact, there in self._read_there(held).items():
            if there.claimed and not behind:
                continue
            hint = self._arrive(contact, held[contact], there, arrived) or hint
        self._leave(arrived)
        if hint:
            self._send_hint(self._new)

    def _hold(self, contacts: Sequence[bytes]) -> dict[bytes, Held]:
        keys, held = self._from, {}
        prefix = f"move {self._new} "
        with self._redis.pipeline(transaction=False) as pipe:
            for contact in contacts:
                self._scripts["hold"](
                    keys=[
                        *(keys.due, keys.lease, keys.parked, keys.away, keys.outbox.encode() + contact),
                        *(keys.bulk, keys.live),
                    ],
                    args=[0, contact, prefix, prefix + uuid4().hex, ENTRIES_AT_ONCE, _HELD_MS],
                    client=pipe,
                )
            answers = pipe.execute(raise_on_error=False)
        for contact, answer in zip(contacts, answers, strict=True):
            if self._failed(contact, answer):
                continue
            state, *rest = answer
            if state == b"held":
                lane, lease, parked, *entries = rest
                held[contact] = Held.read(lane.decode(), lease.decode(), parked.decode(), entries)
        return held

    def _failed(self, contact: bytes, answer: object) -> bool:
        """Whether a contact cannot be moved because of what its keys hold; raises what is not the contact's own fault."""
        if isinstance(answer, ResponseError):
            self._moved.left[contact] = f"Redis does not take it: {answer}"
            return True
        if isinstance(answer, Exception):
            raise answer
        return False

    def _read_there(self, contacts: dict[bytes, Held], *, last: int = _READ_THERE - 1) -> dict[bytes, There]:
        keys = self._to
        found: dict[bytes, There] = {}
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            for contact in contacts:
                name: Any = contact
                pipe.lrange(keys.outbox.encode() + contact, 0, last)
                pipe.hget(keys.lease, name)
                pipe.hget(keys.parked, name)
                pipe.zscore(keys.away, contact)
            time, *answers = pipe.execute(raise_on_error=False)
        now = time_ms(time)
        for place, (contact, held) in enumerate(contacts.items()):
            entries, lease, parked, back = answers[4 * place : 4 * place + 4]
            if self._failed(contact, entries):
                continue
            claimed = bool(lease) and (back or 0) > now
            there = There(entries, (lease or b"").decode(), (parked or b"").decode(), claimed)
            if len(entries) > last >= 0 and reaches_beyond(held, there):
                found |= self._read_there({contact: held}, last=-1)
            else:
                found[contact] = there
        return found

    def _arrive(self, contact: bytes, held: Held, there: There, arrived: dict[bytes, Held]) -> bool:
        """Put what is held among what is there. Returns whether a hint is wanted; where something changed, nothing is done."""
        keys = self._to
        arrival = join(held, there, self._old)
        names: list[Any] = [
            *(keys.due, keys.lease, keys.parked, keys.away, keys.outbox.encode() + contact),
            *(keys.pending, self._arrived, keys.log, keys.run, keys.paused, keys.hinted),
            *(keys.bulk, keys.live, keys.pending_bulk),
        ]
        try:
            done, hint = self._scripts["arrive"](keys=names, args=self._arguments(contact, held, there, arrival))
        except ResponseError as error:
            self._failed(contact, error)
            return False
        if done:
            arrived[contact] = held
        return bool(hint)

    def _arguments(self, contact: bytes, held: Held, there: There, arrival: Arrival) -> list[Any]:
        return [
            *(0, contact, held.lease, there.lease, there.parked, there.stay),
            *(arrival.replaced, arrival.known, arrival.lease, arrival.parked, arrival.until, held.since),
            *(len(held.entries), _record(contact, held.entries, "arrived", self._old), LOG_ENTRIES, held.lane),
            *arrival.entries,
        ]

    def _leave(self, arrived: dict[bytes, Held]) -> None:
        keys = self._from
        with self._redis.pipeline(transaction=False) as pipe:
            for contact, held in arrived.items():
                record = _record(contact, held.entries, "moved", self._new)
                self._scripts["leave"](
                    keys=[
                        *(keys.due, keys.lease, keys.parked, keys.away, keys.outbox.encode() + contact),
                        *(keys.pending, keys.log, keys.bulk, keys.live, keys.pending_bulk),
                    ],
                    args=[0, contact, held.lease, len(held.entries), record, LOG_ENTRIES],
                    client=pipe,
                )
            pipe.execute()
        for contact, held in arrived.items():
            self._moved.contacts.add(contact)
            self._moved.events += len(held.entries)
            self._moved.parked += bool(held.begun.parked)


def _record(contact: bytes, entries: Sequence[bytes], outcome: EventOutcome, other: str) -> bytes:
    """What the log says of a move."""
    read = [read_entry(entry) for entry in entries]
    parts = [EventPart(each.identity, event_name(each.event), outcome, each.enqueued, other) for each in read]
    return Record(contact_digest(contact), parts, names=names_of(each.event for each in read)).to_json()
