"""A page of the log of some destinations, newest first, as far as a filter lets it through."""

import re
from collections.abc import Iterator, Sequence
from heapq import merge
from typing import Any, Final, NamedTuple

from redis import Redis

from segue_producer.keys import Keys
from segue_worker.observing.log import CHUNK, order, read_logged, uncollected
from segue_worker.observing.log_lines import Line, LogFilter, lines
from segue_worker.outbox.log_record import FIELD

EFFORT: Final = 250_000
"""What may be done for one page: an entry that is looked at costs 1, one that is read `_READING`."""
_READING: Final = 15
_FIRST: Final = 200
"""Entries asked of all destinations together at first; then twice as many each time."""
_PLACE: Final = re.compile(r"(\d{1,15})-(\d{1,15}):([a-z0-9_-]{1,64})")


class Place(NamedTuple):
    """A place in the logs: time in unix ms and number of an entry, and its destination. What is older is less."""

    at: int
    number: int
    destination: str

    def __str__(self) -> str:
        return f"{self.at}-{self.number}:{self.destination}"

    @classmethod
    def read(cls, text: str) -> "Place | None":
        """Read what `str` wrote; None where it is something else."""
        found = _PLACE.fullmatch(text)
        return cls(int(found[1]), int(found[2]), found[3]) if found else None


class LogPage(NamedTuple):
    """A page.

    Attributes:
        lines: what was found, newest first, each with the place of its entry.
        older: the place behind which the next page begins; None where there is nothing older.
        full: whether there are as many lines as were asked for; if not, and there is something older, so much was looked
            at that it must be asked for.
    """

    lines: list[tuple[Place, Line]]
    older: Place | None
    full: bool


class _Read(NamedTuple):
    """An entry that may match; or without one, that so many were looked at, up to this place."""

    place: Place
    entry: tuple[bytes, bytes] | None
    looked_at: int = 0


def read_page(
    redis: "Redis", destinations: Sequence[str], wanted: LogFilter, *, most: int, before: Place | None = None
) -> LogPage:
    """Read a page.

    Args:
        redis: client that answers bytes.
        destinations: whose logs.
        wanted: which lines.
        most: how many lines; a few more where an entry has several.
        before: the place behind which it begins; at the newest entry where left out.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    found: list[tuple[Place, Line]] = []
    effort = 0
    first = max(5, _FIRST // max(1, len(destinations)))
    logs = [_newest_first(redis, name, wanted, before, first) for name in destinations]
    with uncollected():
        for read in merge(*logs, key=lambda each: each.place, reverse=True):
            if read.entry is not None:
                logged = read_logged(*read.entry)
                found += [(read.place, line) for line in lines(read.place.destination, logged) if wanted.matches(line)]
            effort += read.looked_at + (_READING if read.entry else 0)
            if len(found) >= most or effort >= EFFORT:
                return LogPage(found, read.place, len(found) >= most)
    return LogPage(found, None, len(found) >= most)


def _newest_first(redis: "Redis", name: str, wanted: LogFilter, before: Place | None, count: int) -> Iterator[_Read]:
    """The entries of a log that may match, and how far it was looked at."""
    key = Keys(name).log
    newest: Any = "+" if wanted.until_ms is None else wanted.until_ms
    if before is not None:
        # What has the same time and number at a destination of a lesser name is older.
        newest = f"{'' if name < before.destination else '('}{before.at}-{before.number}"
    oldest: Any = "-" if wanted.since_ms is None else wanted.since_ms
    while True:
        chunk: Any = redis.xrevrange(key, max=newest, min=oldest, count=count)
        place = None
        for raw_id, fields in chunk:
            if wanted.may_match(fields.get(FIELD, b"")):
                place = Place(*order(raw_id), name)
                yield _Read(place, (raw_id, fields.get(FIELD, b"")))
        if len(chunk) < count:
            return
        newest = b"(" + chunk[-1][0]
        yield _Read(Place(*order(chunk[-1][0]), name), None, len(chunk))
        count = min(CHUNK, 2 * count)
