"""An answer of Loops, reduced to what decisions and people need. Pure.

It comes from a stranger: nothing in it may raise, nor be larger than its use.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Final

RETRY_AFTER_LONGEST_S: Final = 3600.0
"""A longer `Retry-After` counts as this long."""
_TEXT_KEPT: Final = 1000
_TEXT_SHOWN: Final = 200
_DIGITS: Final = 9
"""Of a number in a header; one that is longer means nothing."""


@dataclass(slots=True)
class Answer:
    """An answer.

    Attributes:
        status: HTTP status.
        said: the text, or what makes it: nobody asks what the text of a delivery's answer is.
        html: whether the body is an HTML page, which Loops' API never sends (a proxy or a wrong address does).
        retry_after: seconds the server asks to wait, at most `RETRY_AFTER_LONGEST_S`; or None.
        remaining: requests left in the rate window, or None.
    """

    status: int
    said: str | Callable[[], str] = field(default="", repr=False)
    html: bool = False
    retry_after: float | None = None
    remaining: int | None = None

    @property
    def text(self) -> str:
        """The first 1,000 characters of the body, without the API key."""
        if not isinstance(self.said, str):
            self.said = self.said()
        return self.said

    @property
    def delivered(self) -> bool:
        """Whether Loops took the request: any 2xx, whatever the body (docs/loops.md#answers-and-what-they-mean)."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the HTTP success class

    def describe(self) -> str:
        """Status and the start of the text, for people, on one line; it may quote what was sent."""
        if self.html:
            return f"{self.status} (an HTML page)"
        text = " ".join(self.text.split())
        return f"{self.status} {text[:_TEXT_SHOWN]}{'…' if len(text) > _TEXT_SHOWN else ''}".rstrip()


def read_answer(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime | None = None,
    redact: Callable[[str], str] = str,
) -> Answer:
    """Make an Answer. Never raises: a header that cannot be read counts as missing.

    Args:
        status: HTTP status.
        headers: by their names in small letters.
        body: as received, or its beginning.
        now: against which a `Retry-After` date is read; the current time when left out.
        redact: takes the API key out of a text.
    """
    get = headers.get
    asked = get("retry-after")
    return Answer(
        status,
        partial(_redacted, body, redact),
        html="html" in get("content-type", ""),
        retry_after=_retry_after(asked, now) if asked else None,
        remaining=_number(get("x-ratelimit-remaining", "")),
    )


def _redacted(body: bytes, redact: Callable[[str], str]) -> str:
    # Longer than what is kept, so that a key at the end of that is seen as a whole.
    return redact(body[: 2 * _TEXT_KEPT].decode("utf-8", "replace"))[:_TEXT_KEPT]


def _number(value: str) -> int | None:
    return int(value) if value.isascii() and value.isdigit() and len(value) <= _DIGITS else None


def _retry_after(value: str, now: datetime | None) -> float | None:
    """Seconds of a `Retry-After` header, which holds seconds or an HTTP date (RFC 9110, 10.2.3)."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        seconds = float(value[:_DIGITS])
    elif value:
        try:
            moment = parsedate_to_datetime(value)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            seconds = (moment - (now or datetime.fromtimestamp(time.time(), UTC))).total_seconds()
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
    else:
        return None
    return min(max(0.0, seconds), RETRY_AFTER_LONGEST_S)
