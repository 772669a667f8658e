"""The Celery tasks. Each may vanish or arrive twice at any moment; nothing depends on it (docs/design.md#the-invariants)."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from celery import Task
from celery.exceptions import Reject
from celery.worker.request import Request
from redis.exceptions import RedisError

from segue_producer import EnqueueError, InvalidEvent, OutboxFull, OutboxUnavailable, Producer
from segue_producer.clients import redis_url
from segue_producer.events import prepare
from segue_producer.settings import DELIVER, ENQUEUE, SWEEP
from segue_worker.celery import app, config, runtime, stopping

log = logging.getLogger(__name__)


@app.task(name=DELIVER)
def deliver(destination: str) -> None:
    """Do one run for a destination, and hand over while work is due."""
    try:
        found = config().destination(destination)
    except KeyError:
        log.warning("a hint for destination %r, which this worker's configuration does not have", destination)
        return
    try:
        # A broker that takes no message must not end the work: then this process does the next run too.
        while found.enabled and runtime().deliver(found) and not runtime().hints.send(destination):
            if stopping():
                return
            log.warning("nobody else can be told of the work at %s; this process goes on", destination)
    except (RedisError, OSError) as error:
        log.warning(
            "the run for %s ended early: Redis is away (%s); the sweep goes on", destination, type(error).__name__
        )


@app.task(name=SWEEP)
def sweep() -> None:
    """Send a hint for every destination that has work nobody is at."""
    try:
        wanting = runtime().sweep()
    except (RedisError, OSError) as error:
        log.warning("no sweep: Redis is away (%s)", type(error).__name__)
        return
    for destination in wanting:
        runtime().hints.send(destination)


class PrivateRequest(Request):
    """A task message whose arguments are personal data: no event, log or monitor shows them."""

    def __init__(self, message: Any, **options: Any) -> None:
        super().__init__(message, **options)
        hidden = {"argsrepr": "(not shown)", "kwargsrepr": "(not shown)"}
        self._argsrepr = self._kwargsrepr = "(not shown)"
        self.request_dict.update(hidden)

    def info(self, safe: bool = False) -> Any:  # noqa: FBT001, FBT002 - Celery's signature
        """What monitors may ask of a running task."""
        del safe
        return super().info(safe=True)


@app.task(name=ENQUEUE, bind=True, acks_late=True, Request=PrivateRequest)
def enqueue(self: Task[Any, Any], events: Sequence[Any], destinations: Sequence[str] = ("loops",)) -> None:
    """Enqueue events for services that have a Celery client but not `segue_producer`.

    A malformed event becomes a dead letter; the others are taken. A message that is delivered twice takes effect once.

    `events` are what `Producer.enqueue` takes; `destinations` are names.
    """
    good: list[Mapping[str, Any]] = []
    bad: list[tuple[Any, str]] = []
    for place, event in enumerate(events):
        named = event
        if isinstance(event, Mapping) and not event.get("messageId"):
            named = {**event, "messageId": f"{self.request.id}-{place}"}
        try:
            prepare(named)
        except InvalidEvent as error:
            bad.append((named, str(error)))
        else:
            good.append(named)
    try:
        with Producer(redis_url(), tuple(destinations)) as producer:
            producer.enqueue(good)
    except (OutboxUnavailable, OutboxFull) as error:
        log.warning("%d events go back to the queue: %s", len(good), error)
        raise Reject(str(error), requeue=True) from None
    except EnqueueError as error:
        log.error("%d events are refused: %s", len(good), error)  # noqa: TRY400 - the message says it all
        return
    if bad:
        log.error("%d of %d events are malformed; see the dead letters", len(bad), len(events))
        for destination in destinations:
            runtime().bury(destination, bad)
