"""The Celery consumer, but quick to start and to find a broker that is back, and with a sweep of its own."""

import logging
from contextlib import suppress
from typing import Any, ClassVar

from celery import bootsteps
from celery.worker.consumer import Consumer
from kombu import Connection
from kombu.exceptions import KombuError
from redis import RedisError

from segue_producer.clients import redis_client, redis_url
from segue_producer.keys import ABOUT_WORKERS, SWEPT, SWEPT_MS, WORKERS, WORKERS_SAY_S
from segue_producer.settings import QUEUE, SWEEP

_REDIS_TIMEOUT_S = 1.0

log = logging.getLogger(__name__)


class QuickConsumer(Consumer):
    """Tries a lost broker each second, and asks no neighbours.

    Celery's own waits grow by two seconds a time up to thirty, so after a minute's outage the worker would come back
    half a minute late. Mingle and gossip, which cost a second at every connection, synchronise workers that have
    nothing to synchronise: no revoked tasks, no clocks.
    """

    connection_errors: tuple[type[BaseException], ...]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "without_mingle": True, "without_gossip": True})
        # Celery ends the worker on an answer such as OOM or READONLY; to us it is an outage, to be waited out.
        self.connection_errors = (*self.connection_errors, RedisError)

    def ensure_connected(self, conn: Connection) -> Any:
        """Connect, waiting one second between attempts, however long it takes."""
        ensure = conn.ensure_connection

        def ensure_quickly(errback: Any = None, max_retries: Any = None, **options: Any) -> Any:
            return ensure(errback, max_retries, interval_start=1, interval_step=0, interval_max=1, **options)

        _drop_what_is_no_message(conn.transport)
        # On this one connection object, because Celery passes the waits to nobody.
        vars(conn)["ensure_connection"] = ensure_quickly
        return super().ensure_connected(conn)


def _drop_what_is_no_message(transport: Any) -> None:
    """Let the channels of a Redis transport go on after an element of a queue that is no message of Celery's.

    kombu has taken it from the list by then, and its error would end the worker.
    """
    channel: Any = getattr(transport, "Channel", None)
    if not hasattr(channel, "_brpop_read") or issubclass(channel, _Tolerant):
        return
    transport.Channel = type("Channel", (_Tolerant, channel), {})


class _Tolerant:
    """Goes before a channel's class."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]  # of the channel's class
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log.error("threw away an element of the queue that is no message of Celery's (%s)", type(error).__name__)  # noqa: TRY400 - its text would quote it
            return True


class SignOfLife(bootsteps.StartStopStep):
    """Says in Redis, every few seconds, that the worker lives; and when it stops, that it no longer does."""

    requires = ("celery.worker.consumer.tasks:Tasks",)
    about: ClassVar[bytes] = b""
    """What the worker says of itself besides (`WorkerAbout`); set before it starts."""

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._timer: Any = None
        self._redis = redis_client(redis_url(), timeout=_REDIS_TIMEOUT_S)

    def start(self, parent: Any) -> None:
        """Say so now, and again and again."""
        self._say(parent.hostname)
        self._timer = parent.timer.call_repeatedly(WORKERS_SAY_S, self._say, (parent.hostname,))

    def stop(self, parent: Any) -> None:
        """Take it back."""
        if self._timer is not None:
            self._timer.cancel()
        with suppress(RedisError, OSError):
            self._redis.zrem(WORKERS, parent.hostname)
            self._redis.hdel(ABOUT_WORKERS, parent.hostname)

    def _say(self, name: str) -> None:
        try:
            seconds, micros = self._redis.time()
            now_ms = int(seconds) * 1000 + int(micros) // 1000
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.hset(ABOUT_WORKERS, name, self.about)
                pipe.zadd(WORKERS, {name: now_ms})
                pipe.zrangebyscore(WORKERS, "-inf", now_ms - 3_600_000)
                _, _, gone = pipe.execute()
            if gone:
                self._redis.hdel(ABOUT_WORKERS, *gone)
                self._redis.zrem(WORKERS, *gone)
        except (RedisError, OSError) as error:
            log.debug("no sign of life: %s", type(error).__name__)


class SpareSweep(bootsteps.StartStopStep):
    """Asks for a sweep when nobody has swept of late: beat was killed, or never started.

    Only one of all the workers asks, because the mark in Redis is set by the first.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._timer: Any = None
        self._redis = redis_client(redis_url(), timeout=_REDIS_TIMEOUT_S)

    def start(self, parent: Any) -> None:
        """Begin to look, each second and a half."""
        self._timer = parent.timer.call_repeatedly(SWEPT_MS / 1000, self._look, (parent.app,))

    def stop(self, parent: Any) -> None:
        """Stop looking."""
        del parent
        if self._timer is not None:
            self._timer.cancel()

    def _look(self, app: Any) -> None:
        try:
            # A mark that lives for longer was set before the server's clock was set back.
            if self._redis.set(SWEPT, "1", nx=True, px=SWEPT_MS) or self._redis.pttl(SWEPT) > SWEPT_MS:
                self._redis.set(SWEPT, "1", px=SWEPT_MS)
                app.send_task(SWEEP, queue=QUEUE, expires=2 * SWEPT_MS / 1000, ignore_result=True, retry=False)
        except (RedisError, OSError, KombuError) as error:
            log.debug("no spare sweep: %s", type(error).__name__)
