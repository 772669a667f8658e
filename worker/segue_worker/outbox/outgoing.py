"""A request on its way: the bytes to send, and the events and mappings it stands for; and how a parked one is kept. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import orjson


class Ref(NamedTuple):
    """One mapping of one event; `event` counts from the head of the outbox."""

    event: int
    mapping: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request, ready to be sent any number of times, byte for byte the same.

    Attributes:
        method: `PUT` or `POST`.
        path: what follows the base URL.
        body: JSON text.
        key: Idempotency-Key, on events only.
        refs: what it stands for, in order.
        apart: makes the requests it was merged from, which are seldom wanted; none where it was not merged.
        updates: makes the request of the contact updates that were folded into an event, without the event; none where
            none were, and of a request that was parked: then it is known what was sent before.
    """

    method: str
    path: str
    body: bytes
    key: str | None
    refs: tuple[Ref, ...]
    apart: Callable[[], tuple["Outgoing", ...]] = tuple
    updates: Callable[[], tuple["Outgoing", ...]] = tuple

    @property
    def parts(self) -> tuple["Outgoing", ...]:
        """The requests it was merged from; empty where it was not."""
        return self.apart()

    def counted_from(self, head: int) -> "Outgoing":
        """The same with places counted from the event at place `head`."""
        refs = tuple(Ref(event - head, mapping) for event, mapping in self.refs)
        apart = tuple(part.counted_from(head) for part in self.parts)
        return replace(self, refs=refs, apart=lambda: apart, updates=tuple)

    def to_dict(self) -> dict[str, Any]:
        """The form in which a parked request is kept (JSON)."""
        return {
            "method": self.method,
            "path": self.path,
            "body": self.body.decode(),
            "key": self.key,
            "refs": [tuple(ref) for ref in self.refs],
            "parts": [part.to_dict() for part in self.parts],
        }

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Read what `to_dict` made. Raises KeyError, TypeError, ValueError or AttributeError for anything else."""
        parts = tuple(cls.from_dict(part) for part in fields["parts"])
        refs = tuple(Ref(event, mapping) for event, mapping in fields["refs"])
        method, path, body, key = (fields[name] for name in ("method", "path", "body", "key"))
        texts = (method, path, *([] if key is None else [key]), *(ref.mapping for ref in refs))
        if not all(isinstance(text, str) for text in texts):
            raise TypeError
        if not all(type(ref.event) is int and ref.event >= 0 for ref in refs):
            raise ValueError
        return cls(method, path, body.encode(), key, refs, lambda: parts)


@dataclass(frozen=True, slots=True)
class Parked:
    """What is remembered of a parked contact.

    Attributes:
        attempts: how often the request has been sent.
        first: unix ms of the first attempt; 0 where none may have had an effect.
        next: unix ms of the next attempt.
        because: the last outcome, for people.
        request: what is resent, byte for byte; None where the delivery failed before it sent anything.
        since: unix ms since which the contact has been waiting; its place when its pause is over.
        failures: how often in a row the delivery itself failed, and not a request.
        unread: the record that was there, where this version cannot read it: a newer one may.
    """

    attempts: int
    first: int
    next: int
    because: str
    request: Outgoing | None
    since: int = 0
    failures: int = 0
    unread: str = ""

    @property
    def quotable(self) -> tuple[str, ...]:
        """What an answer to the request may quote."""
        return (self.request.body.decode(),) if self.request else ()

    def to_json(self) -> bytes:
        """The form in which it is kept in Redis."""
        fields: dict[str, Any] = {
            "since": self.since,
            "attempts": self.attempts,
            "first": self.first,
            "next": self.next,
            "because": self.because,
            "request": self.request.to_dict() if self.request else None,
        }
        # Only where there are any, so that an older version reads all other records.
        if self.failures:
            fields["failures"] = self.failures
        if self.unread:
            fields["unread"] = self.unread
        return orjson.dumps(fields)

    @classmethod
    def from_json(cls, raw: bytes) -> Self:
        """Read what `to_json` wrote. What cannot be read is handed over as `unread`: only its own contact must wait."""
        try:
            parked = cls._from_fields(**orjson.loads(raw))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
            return cls(0, 0, 0, "what is remembered of it cannot be read", None, unread=raw.decode("utf-8", "replace"))
        if parked.unread and not (inner := cls.from_json(parked.unread.encode())).unread:
            return replace(inner, failures=parked.failures)
        return parked

    @classmethod
    def _from_fields(  # noqa: PLR0913 - the fields of a record
        cls,
        *,
        attempts: Any,
        first: Any,
        next: Any,  # noqa: A002 - the field's name
        because: Any,
        request: Any,
        since: Any = 0,
        failures: Any = 0,
        unread: Any = "",
    ) -> Self:
        frozen = None if request is None else Outgoing.from_dict(request)
        return cls(
            *(int(attempts), int(first), int(next), str(because)), frozen, int(since), int(failures), str(unread)
        )
