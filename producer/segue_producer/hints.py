"""Hints: Celery messages that say a destination has work. Any of them may be lost or doubled without harm.

Workers find the work by themselves within about two seconds, so nobody needs to wait for a hint, or to repeat one.
"""

import atexit
import logging
import os
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any, Final

from celery import Celery
from redis import RedisError

from segue_producer.broker import celery_app
from segue_producer.clients import redis_client
from segue_producer.keys import Keys
from segue_producer.settings import DELIVER, HINT_EXPIRES_S, QUEUE

FAILURES: Final = 2
"""After so many failures in a row the broker is tried only once in a while."""
ONCE_IN_S: Final = 3.0
TIMEOUT_S: Final = 2.0
EXIT_S: Final = 1.0
"""For how long a process that ends waits for its last hints at most."""
_WAITING: Final = 256

log = logging.getLogger(__name__)


class Hints:
    """Sends hints through a broker. While the broker is away, most are dropped at once.

    Args:
        broker_url: as `clients.broker_url` gives it; with "" there is no broker, and every hint is dropped.
        timeout: seconds to wait for the broker at most.
        redis_url: of the Redis where those that fail are counted; nobody counts them where it is left out.
    """

    def __init__(self, broker_url: str, *, timeout: float = TIMEOUT_S, redis_url: str = "") -> None:
        self._redis = redis_client(redis_url, timeout=timeout) if redis_url else None
        self._app = celery_app("segue", broker_url, timeout=timeout, set_as_current=False) if broker_url else None
        self._timeout = timeout
        self._failures = 0
        self._next_try = 0.0

    def send(self, destination: str) -> bool:
        """Send one hint. Returns whether it went out; the first failure of a row is logged."""
        if self._app is None:
            return False
        sent = self._send(self._app, destination)
        if not sent and self._redis is not None:
            # Where the broker is this Redis, it may be away too.
            with suppress(RedisError, OSError):
                self._redis.hincrby(Keys(destination).measures, "hints_failed", 1)
        return sent

    def _send(self, app: Celery, destination: str) -> bool:
        if self._failures >= FAILURES and time.monotonic() < self._next_try:
            return False
        # Others need not try while this one does.
        self._next_try = time.monotonic() + ONCE_IN_S
        options: dict[str, Any] = {"queue": QUEUE, "expires": HINT_EXPIRES_S, "confirm_timeout": self._timeout}
        try:
            app.send_task(DELIVER, args=[destination], ignore_result=True, retry=False, **options)
        except Exception as error:  # noqa: BLE001 - the broker may be of any kind, and the event is already durable
            self._failures += 1
            level = logging.WARNING if self._failures == 1 else logging.DEBUG
            name = type(error).__name__
            log.log(level, "no hint for destination %s: %s; the workers will find the work", destination, name)
            return False
        self._failures = 0
        return True


class BackgroundHints:
    """Sends hints from a thread of its own, which starts with the first of them. Nobody waits for it.

    Args:
        broker_url: as for `Hints`.
        timeout: as for `Hints`.
        redis_url: as for `Hints`.
    """

    def __init__(self, broker_url: str, *, timeout: float, redis_url: str = "") -> None:
        self._hints = Hints(broker_url, timeout=timeout, redis_url=redis_url)
        self._waiting: deque[str] = deque()
        # Not a queue, since gevent's cannot be waited for until it is empty.
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def send(self, destination: str) -> None:
        """Have a hint sent soon. It is dropped where too many wait already."""
        with self._changed:
            if self._thread is None:
                try:
                    thread = threading.Thread(target=self._work, name="segue-hints", daemon=True)
                    thread.start()
                except RuntimeError:
                    log.debug("no hint for destination %s, because the interpreter ends", destination)
                    return
                self._thread = thread
            if len(self._waiting) < _WAITING:
                self._waiting.append(destination)
                self._changed.notify_all()

    def flush(self, within_s: float) -> None:
        """Wait until what was asked for has been sent, or dropped, but for so many seconds at most."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, within_s)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                destination = self._waiting[0]
            try:
                self._hints.send(destination)
            finally:
                with self._changed:
                    self._waiting.popleft()
                    self._changed.notify_all()


_of_process: dict[tuple[int, str, str], BackgroundHints] = {}


def background_hints(broker_url: str, *, timeout: float, redis_url: str = "") -> BackgroundHints:
    """The sender of this process for a broker; its producers share it. A forked child has one of its own.

    Args:
        broker_url: as for `Hints`.
        timeout: as for `Hints`.
        redis_url: as for `Hints`.
    """
    key = (os.getpid(), broker_url, redis_url)
    found = _of_process.get(key)
    return found or _of_process.setdefault(key, BackgroundHints(broker_url, timeout=timeout, redis_url=redis_url))


@atexit.register
def _flush_all() -> None:
    for (pid, *_), sender in list(_of_process.items()):
        if pid == os.getpid():
            sender.flush(EXIT_S)
