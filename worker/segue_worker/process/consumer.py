"""The Celery consumer, but quick to start and to find a broker that is back, and unmoved by odd messages.

Whatever lies in a queue, the worker goes on. What no task can take is thrown away with a line of the log that names the task
and the kind of fault, and nothing else of the message: Celery's own lines quote all of it, which may be personal data. It is
rejected, so that it neither keeps one of the places for messages under way nor comes back after a restart.
"""

import logging
from collections.abc import Callable
from queue import Empty
from typing import Any, Final

from celery.worker.consumer import Consumer
from kombu import Connection
from kombu.exceptions import KombuError
from redis import DataError, RedisError

from segue_worker.printable import visible
from segue_worker.process.enqueuing import well_formed

_LONGEST_NAME: Final = 100

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
        connected = super().ensure_connected(conn)
        # RabbitMQ's quorum queues refuse a limit for a whole channel; one for each consumer does as well for all queues.
        vars(connected.transport)["qos_semantics_matches_spec"] = lambda _: True
        return connected

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], Any]:
        """Celery's, which acknowledges nothing that raises."""
        handle = super().create_task_handler(*args, **options)

        def handle_any(message: Any) -> None:
            try:
                _mend(message)
                handle(message)
            except self.connection_errors:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a sender wrote
                self._throw_away(message, f"a header or an argument of it cannot be read ({type(error).__name__})")

        return handle_any

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Called for a message that names no task."""
        del body
        self._throw_away(message, "it is no task message of Celery's")

    def on_unknown_task(self, body: Any, message: Any, exc: BaseException) -> None:
        """Called for a message of a task that there is not."""
        del body, exc
        self._throw_away(message, "workers have no such task: check the name that its sender uses")

    def on_invalid_task(self, body: Any, message: Any, exc: BaseException) -> None:
        """Called for a message whose headers or arguments are not as they should be."""
        del body
        self._throw_away(message, f"a header or an argument of it cannot be read ({type(exc).__name__})")

    def on_decode_error(self, message: Any, exc: BaseException) -> None:
        """Called for a message whose body cannot be read."""
        self._throw_away(message, f"its body cannot be read ({type(exc).__name__})")

    def _throw_away(self, message: Any, why: str) -> None:
        log.error("threw away a message for %s: %s", _task_of(message), why)
        if not message.acknowledged:
            message.reject_log_error(log, self.connection_errors)


def _mend(message: Any) -> None:
    """Make arguments well-formed where the message is of Celery's first protocol, which refuses it as a whole otherwise."""
    payload = message.payload
    if isinstance(payload, dict) and payload.keys() & {"args", "kwargs"}:
        payload["args"], payload["kwargs"] = well_formed(payload.get("args"), payload.get("kwargs"))


def _task_of(message: Any) -> str:
    """The task that a message names, for the log."""
    name = message.headers.get("task") if isinstance(message.headers, dict) else None
    if name is None and isinstance(payload := getattr(message, "_decoded_cache", None), dict):
        name = payload.get("task")
    return f"the task '{visible(name)[:_LONGEST_NAME]}'" if isinstance(name, str) else "no task that can be named"


def _drop_what_is_no_message(transport: Any) -> None:
    """Let the channels of a Redis transport go on after an element of a queue that is no message of Celery's.

    kombu has taken it from the list by then, and its error would end the worker.
    """
    channel: Any = getattr(transport, "Channel", None)
    if not hasattr(channel, "_brpop_read") or issubclass(channel, _Tolerant):
        return
    qos = type("QoS", (_TolerantQoS, channel.QoS), {})
    transport.Channel = type("Channel", (_Tolerant, channel), {"QoS": qos})


class _TolerantQoS:
    """Mix-in of what gives interrupted messages back to their queues; one that cannot be read keeps no other from it."""

    def restore_by_tag(self, tag: Any, *args: Any, **options: Any) -> None:
        def restore() -> None:
            super(_TolerantQoS, self).restore_by_tag(tag, *args, **options)  # type: ignore[misc]  # of the channel's class

        if _skipping("an interrupted message", restore):
            # Its methods are those of kombu's class.
            made: Any = self
            made.reject(tag)


class _Tolerant:
    """Mix-in of a channel that skips what cannot be read: elements of queues, and what is published to workers."""

    def _brpop_read(self, **options: Any) -> Any:
        return _skipping("an element of the queue", lambda: super(_Tolerant, self)._brpop_read(**options))  # type: ignore[misc]  # of the channel's class

    def _receive_one(self, client: Any) -> Any:
        return _skipping("a command to the workers", lambda: super(_Tolerant, self)._receive_one(client))  # type: ignore[misc]  # same

    def _do_restore_message(self, payload: Any, *args: Any, **options: Any) -> Any:
        # PHP writes an empty object as []; kombu would log the whole message, and lose it.
        payload["headers"] = payload.get("headers") or {}
        return super()._do_restore_message(payload, *args, **options)  # type: ignore[misc]  # same


def _skipping(what: str, read: Callable[[], Any]) -> Any:
    """What reading gives; true where that was skipped, because it is no message."""
    try:
        return read()
    except Exception as error:
        # redis-py raises DataError for a delivery tag that it cannot write; what else it raises is an outage.
        if isinstance(error, Empty | RedisError | OSError | KombuError) and not isinstance(error, DataError):
            raise
        log.error("threw away %s that is no message of Celery's (%s)", what, type(error).__name__)  # noqa: TRY400 - its text would quote it
        return True
