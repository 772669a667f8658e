"""The Celery tasks. Any of them may be lost or arrive twice without harm (docs/design.md#the-invariants)."""

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
from segue_producer.lanes import Lane
from segue_producer.settings import DELIVER, ENQUEUE, SWEEP
from segue_worker.celery import app, config, runtime, stopping

log = logging.getLogger(__name__)


@app.task(name=DELIVER)
def deliver(destination: str) -> None:
    """Do one run for a destination, and send another hint if work is left."""
    try:
        found = config().destination(destination)
    except KeyError:
        log.warning("got a hint for destination %r, which is not in this worker's configuration", destination)
        return
    try:
        # Work must not stop because the broker accepts no message: then this process does the next run itself.
        while found.enabled and runtime().deliver(found) and not runtime().hints.send(destination):
            if stopping():
                return
            log.warning("no hint for %s could be sent to other workers; this worker continues with it", destination)
    except (RedisError, OSError) as error:
        log.warning(
            "the run for %s ended early: Redis does not answer (%s); the sweep will start another",
            *(destination, type(error).__name__),
        )


@app.task(name=SWEEP)
def sweep() -> None:
    """Send a hint for every destination that has work but no run."""
    try:
        wanting = runtime().sweep()
    except (RedisError, OSError) as error:
        log.warning("the sweep failed: Redis does not answer (%s)", type(error).__name__)
        return
    for destination in wanting:
        runtime().hints.send(destination)


class PrivateRequest(Request):
    """A task message whose arguments are personal data, so that no Celery event, log or monitor may show them."""

    def __init__(self, message: Any, **options: Any) -> None:
        super().__init__(message, **options)
        hidden = {"argsrepr": "(not shown)", "kwargsrepr": "(not shown)"}
        self._argsrepr = self._kwargsrepr = "(not shown)"
        self.request_dict.update(hidden)

    def info(self, safe: bool = False) -> Any:  # noqa: FBT001, FBT002 - Celery's signature
        """What monitors are told of a running task."""
        del safe
        return super().info(safe=True)


@app.task(name=ENQUEUE, bind=True, acks_late=True, Request=PrivateRequest)
def enqueue(
    self: Task[Any, Any], events: Sequence[Any], destinations: Sequence[str] = ("loops",), lane: Lane = "live"
) -> None:
    """Enqueue events for services that have a Celery client but not `segue_producer`.

    A malformed event becomes a dead letter; the others are enqueued. A message that is delivered twice has its effect
    once.

    `events` are what `Producer.enqueue` takes; `destinations` are names; `lane` is `live` or `bulk`.
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
        with Producer(redis_url(), tuple(destinations), lane=lane) as producer:
            producer.enqueue(good)
    except (OutboxUnavailable, OutboxFull) as error:
        log.warning("an enqueue message (events: %d) goes back to the queue: %s", len(good), error)
        raise Reject(str(error), requeue=True) from None
    except EnqueueError as error:
        log.error("an enqueue message (events: %d) is refused: %s", len(good), error)  # noqa: TRY400 - the message says it all
        return
    if bad:
        log.error("malformed events became dead letters: %d of %d", len(bad), len(events))
        for destination in destinations:
            runtime().bury(destination, bad)
