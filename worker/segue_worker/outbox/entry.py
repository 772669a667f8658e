"""Entries of an outbox as the worker reads them: an event that waits, or what is left of one. Pure."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal, get_args

import orjson

from segue_producer.entries import identity, read_source, read_stamp, read_trace
from segue_worker.mapping import Request
from segue_worker.mapping.values import Repair
from segue_worker.outbox.begun import begun_entry, split_entry
from segue_worker.outbox.dead_letter import DeadLetter

Fate = Literal["delivered", "dead", "failed"]
"""`dead`: its request was given up; `failed`: there never was one, because the mapping failed."""
_FATES: Final = get_args(Fate)
PARTIAL: Final = "segue.partial"
"""The `type` of an outbox entry that stands for part of an event: a remainder, or a replay."""
_OWN: Final = "segue."
"""How the `type` of every entry begins that is Segue's own, and no event."""


@dataclass(slots=True)
class Waiting:
    """One event of the outbox.

    Attributes:
        raw: its JSON, as it was enqueued.
        event: the same, parsed, with the time of enqueueing as `receivedAt`, where Segment's spec has it; None where it is
            no event.
        message_id: its messageId, or "" where it is no event.
        source: whose messageId it is (`segue_producer.entries`).
        identity: what the event is known by: the messageId within its source; "" where it is no event.
        received: what was added as `receivedAt`, or "".
        enqueued: unix ms, or 0 where it is not known.
        done: mapping → what became of its request.
        only: the mappings it is for, once it was planned; None where it is for all whose trigger takes it.
        replay: id of the dead letter it is a replay of, or "".
        left: names of the mappings whose requests are still to be sent.
        state: `open` until it is planned; `filtered` where no mapping fires; `duplicate`; else `sending`.
        dead: dead letters to record together with what is recorded of this event next.
        because: where it is filtered, by which mapping for which reason.
        apart: mapping → which part its request is of what was taken apart, because one that it was merged into was
            refused: the numbers of its part, of the part of that one, and so on.
        repairs: mapping → what was done about values of its request, until it is noted.
        made: mapping → its request as it was before it was merged, until what became of it is recorded.
        changed: whether `done` or `apart` say more than its entry in the outbox.
        damaged: whether the entry is one of Segue's own that this version cannot read.
        origin: the destination under whose name its requests may have been sent already, if that was another.
        trace: the `traceparent` of the span in which it was enqueued, or "".
        beside: of a replay, which other mappings the event was for, as its dead letter says.
    """

    raw: bytes
    event: dict[str, Any] | None
    message_id: str
    enqueued: int = 0
    source: str = ""
    identity: str = ""
    received: str = ""
    done: dict[str, Fate] = field(default_factory=dict)
    only: tuple[str, ...] | None = None
    replay: str = ""
    left: set[str] = field(default_factory=set)
    state: Literal["open", "filtered", "duplicate", "sending"] = "open"
    dead: Sequence[DeadLetter] = ()
    because: dict[str, str] = field(default_factory=dict)
    apart: dict[str, str] = field(default_factory=dict)
    repairs: dict[str, tuple[Repair, ...]] = field(default_factory=dict)
    made: dict[str, Request] = field(default_factory=dict)
    changed: bool = False
    damaged: bool = False
    origin: str = ""
    trace: str = ""
    beside: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The event's JSON."""
        text = self.raw.decode("utf-8", "replace")
        return f'{text[:-1]},"receivedAt":"{self.received}"}}' if self.received else text

    @property
    def mappings(self) -> tuple[str, ...]:
        """The mappings that it is for, once it was planned."""
        return self.only if self.only is not None else tuple(dict.fromkeys([*self.done, *sorted(self.left)]))

    def others(self, mappings: Container[str]) -> tuple[str, ...]:
        """The mappings that it is or was for, besides these."""
        return tuple(name for name in (*self.mappings, *self.beside) if name not in mappings)

    def partial(self) -> bytes:
        """The entry of the outbox for what is left of it: from now on it is for the mappings of this plan and no others."""
        return partial_entry(
            *(self.text, self.source),
            done=self.done,
            only=self.mappings,
            replay=self.replay,
            apart=self.apart,
            origin=self.origin,
            trace=self.trace,
            beside=self.beside,
        )


def read_entry(raw: bytes) -> Waiting:
    """Read an entry of the outbox: an event, or the part of one that `partial_entry` wrote."""
    try:
        raw, _ = split_entry(raw)
        text, enqueued = read_stamp(raw)
        trace = source = ""
        if text[-1:] != b"}":
            text, trace = read_trace(text)
            text, source = read_source(text)
        entry = orjson.loads(text)
        type_ = entry.get("type") if entry.__class__ is dict else None
    except orjson.JSONDecodeError:
        return Waiting(raw, None, "")
    except (KeyError, TypeError, AttributeError):
        return Waiting(raw, None, "", damaged=True)
    if type_.__class__ is str and type_.startswith(_OWN):
        try:
            return _read_partial(entry)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
            return Waiting(raw, None, "", damaged=True)
    message_id = entry.get("messageId") if entry.__class__ is dict else None
    if message_id.__class__ is not str:
        return Waiting(raw, None, "")
    received = ""
    if enqueued and "receivedAt" not in entry:
        received = entry["receivedAt"] = _iso(enqueued)
    known_by = identity(source, message_id) if message_id else ""
    made = Waiting(text, entry, message_id, enqueued or _unix_ms(entry.get("receivedAt")), source, known_by, received)
    if trace:
        made.trace = trace
    return made


def _read_partial(entry: Mapping[str, Any]) -> Waiting:
    if entry["type"] != PARTIAL:
        raise ValueError("another version wrote it")
    waiting = read_entry(entry["event"].encode())
    waiting.done = dict(entry["done"])
    waiting.only = None if entry["only"] is None else tuple(entry["only"])
    waiting.replay = entry["replay"]
    apart = entry.get("apart", {})
    # Before updates were remembered too, it was a list of mappings: those of events.
    waiting.apart = dict(apart) if isinstance(apart, dict) else dict.fromkeys(apart, "0.")
    waiting.source = entry.get("source", "")
    waiting.origin = entry.get("origin", "")
    # What is no `traceparent` is not worth a dead letter.
    waiting.trace = read_trace(b" " + entry.get("trace", "").encode())[1]
    waiting.beside = tuple(entry.get("beside", ()))
    texts = (
        *waiting.beside,
        waiting.replay,
        waiting.source,
        waiting.origin,
        *(waiting.only or ()),
        *waiting.apart,
        *waiting.apart.values(),
    )
    if not all(isinstance(text, str) for text in texts) or not all(fate in _FATES for fate in waiting.done.values()):
        raise TypeError("a field has another type than it should")
    waiting.identity = identity(waiting.source, waiting.message_id) if waiting.message_id else ""
    return waiting


def with_origin(raw: bytes, destination: str) -> bytes:
    """The entry, with a note of the destination that its Idempotency-Keys derive from."""
    waiting = read_entry(raw)
    if waiting.event is None or waiting.origin:
        return raw
    options: dict[str, Any] = {"done": waiting.done, "only": waiting.only, "replay": waiting.replay}
    options |= {"apart": waiting.apart, "trace": waiting.trace, "beside": waiting.beside}
    part = partial_entry(waiting.text, waiting.source, **options, origin=destination)
    return begun_entry(part, split_entry(raw)[1])


@lru_cache(maxsize=256)
def _iso(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _unix_ms(received: Any) -> int:
    try:
        return int(datetime.fromisoformat(received).timestamp() * 1000)
    except (TypeError, ValueError, OverflowError):
        return 0


def partial_entry(  # noqa: PLR0913 - the fields of an entry
    event: str,
    source: str = "",
    *,
    done: Mapping[str, Fate] | None = None,
    only: Sequence[str] | None = None,
    replay: str = "",
    apart: Mapping[str, str] | None = None,
    origin: str = "",
    trace: str = "",
    beside: Sequence[str] = (),
) -> bytes:
    """An entry of the outbox for part of an event.

    Args:
        event: its JSON, as enqueued.
        source: whose messageId it has.
        done: mapping → what became of its request already.
        only: the mappings it is for; all where left out.
        replay: id of the dead letter it is a deliberate replay of. Such an entry is no duplicate, whatever was settled
            before, and its requests carry Idempotency-Keys of their own.
        apart: mapping → which part its request is of what was taken apart.
        origin: the destination under whose name its requests may have been sent already, if that was another.
        trace: the `traceparent` of the span in which it was enqueued.
        beside: of a replay, which other mappings the event was for.
    """
    fields: dict[str, Any] = {"type": PARTIAL, "event": event, "done": dict(done or {}), "only": only, "replay": replay}
    # Only where there are any, so that an older version reads all other entries as well.
    more = {"apart": apart, "source": source, "origin": origin, "trace": trace, "beside": beside}
    return orjson.dumps(fields | {name: value for name, value in more.items() if value})
