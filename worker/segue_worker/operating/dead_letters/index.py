"""Which dead letters there are, and of what cause each is: counted, found and chosen without reading them all each time."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final

from redis import Redis

from segue_producer.keys import Keys
from segue_worker.observing.log import uncollected
from segue_worker.operating.dead_letters.filtering import Filter
from segue_worker.operating.dead_letters.grouping import Cause, Causes

_AT_ONCE: Final = 500
_ANEW_S: Final = 60.0
_Times = list[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Indexed:
    """The dead letters of a destination.

    Attributes:
        letters: id, unix ms at which it died, and cause of each, oldest first.
        unread: how many more there are, of which there was no time to read the cause.
    """

    letters: list[tuple[str, float, Cause]]
    unread: int = 0

    def matching(self, wanted: Filter, *, until: float | None = None) -> list[tuple[str, float, Cause]]:
        """Those that match a filter, which must not ask for a contact, and died at `until` (unix ms) or before."""
        fitting = {
            id(cause) for cause in {id(each): each for _, _, each in self.letters}.values() if wanted.fits(cause)
        }
        since = wanted.since_ms or 0
        return [
            letter
            for letter in self.letters
            if id(letter[2]) in fitting and letter[1] >= since and (until is None or letter[1] <= until)
        ]


class LetterIndex:
    """Remembers the cause of each letter that it has read: what is kept under an id never changes.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._listed: dict[str, tuple[float, _Times]] = {}
        self._known: dict[str, dict[str, Cause]] = {}
        self._causes = Causes()

    def read(self, redis: "Redis", destination: str, *, within_s: float | None = None) -> Indexed:
        """The letters of a destination.

        Args:
            redis: client that answers bytes.
            destination: its name.
            within_s: for how long causes are read, the newest letter's first; the next call goes on with the others. Then
                one that is gone may be among them for another minute. None for exactly those that there are.

        Raises:
            redis.RedisError: Redis does not answer.
        """
        with uncollected():
            return self._read(redis, destination, within_s)

    def _read(self, redis: "Redis", destination: str, within_s: float | None) -> Indexed:
        found = self._list(redis, destination, anew=within_s is None)
        known = self._known.get(destination, {})
        ends = None if within_s is None else self._clock() + within_s
        for some in _batches([name for name, _ in reversed(found) if name not in known]):
            if ends is not None and self._clock() > ends:
                break
            raws: list[Any] = redis.hmget(Keys(destination).dead, some)
            known.update((name, self._causes.read(raw or b"")) for name, raw in zip(some, raws, strict=True))
        if len(known) > 2 * len(found):
            known = {name: known[name] for name, _ in found if name in known}
        self._known[destination] = known
        letters = [(name, at, known[name]) for name, at in found if name in known]
        return Indexed(letters, len(found) - len(letters))

    def _list(self, redis: "Redis", destination: str, *, anew: bool) -> _Times:
        """Id and time of each letter: all of them once a minute and where some are gone, else what came since."""
        key = Keys(destination).dead_at
        listed_at, found = self._listed.get(destination, (-math.inf, []))
        if found and not anew and self._clock() < listed_at + _ANEW_S:
            with redis.pipeline(transaction=False) as pipe:
                pipe.zcard(key)
                pipe.zrangebyscore(key, found[-1][1], "+inf", withscores=True)
                count, since = pipe.execute()
            last = {name for name, _ in takewhile(lambda each: each[1] == found[-1][1], reversed(found))}
            found = found + [each for each in _decoded(since) if each[0] not in last]
            if len(found) == count:
                self._listed[destination] = listed_at, found
                return found
        found = _decoded(redis.zrange(key, 0, -1, withscores=True))
        self._listed[destination] = self._clock(), found
        return found


def _decoded(found: Any) -> _Times:
    return [(name.decode(), at) for name, at in found]


def _batches(names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), _AT_ONCE):
        yield names[start : start + _AT_ONCE]
