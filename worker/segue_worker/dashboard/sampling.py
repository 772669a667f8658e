"""Remembers each minute's queue age, which nobody can count up afterwards, for the plots."""

import logging
import threading
from collections.abc import Callable, Sequence
from importlib.resources import files
from types import TracebackType
from typing import Final, Self

from redis import Redis, RedisError

from segue_producer.keys import STATS_KEPT_S, Keys
from segue_worker.status import read_statuses

EVERY_S: Final = 10.0
OLDEST: Final = "oldest_ms"
"""The field of a minute's counters: the longest that a contact had waited at any sample, in ms."""
_SCRIPT: Final = files("segue_worker.dashboard").joinpath("sample.lua").read_text(encoding="utf-8")

log = logging.getLogger(__name__)


def sample(redis: "Redis", destinations: Sequence[str], now_ms: int) -> None:
    """Record for how long the oldest of each destination has waited, where that is the most of its minute so far.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    script = redis.register_script(_SCRIPT)
    minute = now_ms // 60_000
    for name, status in read_statuses(redis, destinations).items():
        oldest_ms = round(status.oldest_pending_s * 1000)
        script(keys=[f"{Keys(name).stats}{minute}"], args=[OLDEST, oldest_ms, STATS_KEPT_S])


class Sampler:
    """Does something every ten seconds in a thread, as a context manager; a Redis that is away is tried again.

    Args:
        take: what to do.
    """

    def __init__(self, take: Callable[[], None]) -> None:
        self._take = take
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="segue-sampler", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                self._take()
            except RedisError as error:
                log.warning("the queue age is not recorded: Redis did not answer (%s)", type(error).__name__)
            if self._over.wait(EVERY_S):
                return
