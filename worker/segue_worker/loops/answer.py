"""An answer of Loops, reduced to what decisions and people need."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_TEXT_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer.

    Attributes:
        status: HTTP status.
        text: the first 1,000 characters of the body.
        html: whether the body is an HTML page, which Loops's API never sends (a proxy or a wrong address does).
        retry_after: seconds the server asks to wait, or None.
        remaining: requests left in the rate window, or None.
    """

    status: int
    text: str = ""
    html: bool = False
    retry_after: float | None = None
    remaining: int | None = None

    @property
    def delivered(self) -> bool:
        """Whether Loops took the request: any 2xx, whatever the body (docs/loops.md#answers-and-what-they-mean)."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the HTTP success class

    def describe(self) -> str:
        """Status and the start of the text, for logs and people, on one line."""
        if self.html:
            return f"{self.status} (an HTML page)"
        return f"{self.status} {' '.join(self.text.split())[:200]}".rstrip()


def read_answer(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime | None = None) -> Answer:
    """Make an Answer.

    Args:
        status: HTTP status.
        headers: case-insensitive mapping.
        body: as received.
        now: against which a `Retry-After` date is read; the current time when left out.
    """
    remaining, waits = headers.get("x-ratelimit-remaining", ""), headers.get("retry-after")
    return Answer(
        status=status,
        text=body[: 4 * _TEXT_KEPT].decode("utf-8", "replace")[:_TEXT_KEPT],
        html="html" in headers.get("content-type", ""),
        retry_after=_retry_after(waits, now or datetime.fromtimestamp(time.time(), UTC)) if waits else None,
        remaining=int(remaining) if remaining.isascii() and remaining.isdigit() else None,
    )


def _retry_after(value: str, now: datetime) -> float | None:
    """Seconds of a `Retry-After` header, which holds seconds or an HTTP date (RFC 9110, 10.2.3)."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
