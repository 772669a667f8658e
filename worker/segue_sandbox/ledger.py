"""Everything the sandbox received, in order of arrival, and what it answered."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypedDict

from segue_sandbox.request import NOT_JSON, ApiRequest


class RequestRecord(TypedDict):
    """One request as `GET /_sandbox/requests` gives it.

    `at` and `ended_at` are unix seconds: when the request arrived, and when its answer was sent, the connection was
    dropped, or the client gave up waiting (null: still in progress). Header names are in lower case, and the API key is
    never shown. `body` is the JSON value, or the text if it was not JSON, or null if there was none. `status` is null
    where the connection was dropped. `applied` says that data changed, even if the client was not told.
    """

    n: int
    at: float
    ended_at: float | None
    team: str | None
    method: str
    path: str
    query: str
    headers: dict[str, str]
    idempotency_key: str | None
    body: Any
    status: int | None
    applied: bool
    fault: str | None
    rate_limited: bool
    contact_id: str | None


@dataclass(slots=True)
class LedgerEntry:
    """A request and how it was answered. The body is kept as bytes, and only parsed when somebody reads the entry."""

    n: int
    request: ApiRequest
    team: str | None
    status: int | None
    applied: bool
    fault: str | None
    rate_limited: bool
    contact_id: str | None
    ended_at: float | None = None

    def record(self) -> RequestRecord:
        """The entry as it is shown."""
        request = self.request
        return {
            "n": self.n,
            "at": request.arrival,
            "ended_at": self.ended_at,
            "team": self.team,
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "headers": {name: _shown(name, value) for name, value in request.headers.items()},
            "idempotency_key": request.idempotency_key,
            "body": _body(request),
            "status": self.status,
            "applied": self.applied,
            "fault": self.fault,
            "rate_limited": self.rate_limited,
            "contact_id": self.contact_id,
        }


@dataclass(slots=True)
class Totals:
    """Counts over entries; `by_status` counts connections without an answer as `dropped`."""

    received: int = 0
    applied: int = 0
    rate_limited: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    by_fault: Counter[str] = field(default_factory=Counter)

    def add(self, entry: LedgerEntry) -> None:
        """Count one more."""
        self.received += 1
        self.applied += entry.applied
        self.rate_limited += entry.rate_limited
        self.by_status["dropped" if entry.status is None else str(entry.status)] += 1
        if entry.fault is not None:
            self.by_fault[entry.fault] += 1


class Ledger:
    """The list of entries; `n` counts from 1. Only `clear` removes entries."""

    def __init__(self) -> None:
        self.entries: list[LedgerEntry] = []

    def __len__(self) -> int:
        return len(self.entries)

    def add(self, entry: LedgerEntry) -> None:
        """Append the next entry, whose `n` must be `next_n`."""
        self.entries.append(entry)

    @property
    def next_n(self) -> int:
        """The number the next request gets."""
        return len(self.entries) + 1

    def clear(self) -> None:
        """Remove all entries."""
        self.entries.clear()

    def records(self, *, since: int = 0, limit: int | None = None, team: str | None = None) -> Iterator[RequestRecord]:
        """Records numbered above `since`, at most `limit`, of one team if given."""
        left = len(self.entries) if limit is None else limit
        for entry in self.entries[since:]:
            if left <= 0:
                return
            if team is None or entry.team == team:
                left -= 1
                yield entry.record()

    def totals(self, team: str | None = None) -> Totals:
        """Counts over the ledger, of one team if given."""
        totals = Totals()
        for entry in self.entries:
            if team is None or entry.team == team:
                totals.add(entry)
        return totals


def _shown(name: str, value: str) -> str:
    return "redacted" if name == "authorization" else value


def _body(request: ApiRequest) -> Any:
    if not request.body:
        return None
    value = request.json
    return request.body.decode(errors="replace") if value is NOT_JSON else value
