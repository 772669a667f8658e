"""The Celery consumer, but quick to start and to find a broker that is back."""

import logging
from typing import Any

from celery.worker.consumer import Consumer
from kombu import Connection
from redis import RedisError

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


def _drop_what_is_no_message(transport: Any) -> None:
    """Let the channels of a Redis transport go on after an element of a queue that is no message of Celery's.

    kombu has taken it from the list by then, and its error would end the worker.
    """
    channel: Any = getattr(transport, "Channel", None)
    if not hasattr(channel, "_brpop_read") or issubclass(channel, _Tolerant):
        return
    transport.Channel = type("Channel", (_Tolerant, channel), {})


class _Tolerant:
    """Mix-in of a channel that skips elements which cannot be read."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]  # of the channel's class
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log.error("threw away an element of the queue that is no message of Celery's (%s)", type(error).__name__)  # noqa: TRY400 - its text would quote it
            return True
