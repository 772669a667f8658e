"""The Celery tasks. Any of them may be lost or arrive twice without harm (docs/design.md#the-invariants)."""

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import uuid4

from celery import Task
from celery.exceptions import InvalidTaskError, Reject
from celery.worker.request import Request
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from segue_producer import OutboxFull, OutboxUnavailable, Producer
from segue_producer.clients import redis_url
from segue_producer.events import Prepared
from segue_producer.lanes import Lane
from segue_producer.settings import DELIVER, ENQUEUE, ENQUEUE_QUEUE, SWEEP
from segue_worker.celery import app, config, runtime
from segue_worker.process.enqueue_queue import ENQUEUE as ENQUEUE_READING
from segue_worker.process.enqueuing import Sorted, read_arguments, sort, well_formed

log = logging.getLogger(__name__)


@app.task(name=DELIVER)
def deliver(destination: str) -> None:
    """Do a run for a destination, and send another hint if work is left."""
    runtime().serve(destination)


@app.task(name=SWEEP)
def sweep() -> None:
    """Send a hint for every destination that has work but no run."""
    try:
        runtime().sweep()
    except (RedisError, OSError) as error:
        log.warning("the sweep failed: Redis does not answer (%s)", type(error).__name__)


class PrivateRequest(Request):
    """A task message whose arguments are personal data, so that no Celery event, log or monitor may show them.

    Whatever they are, the task gets them as a list and a mapping; Celery would refuse what is neither. Raises InvalidTaskError, or
    whatever else a message raises that is none.
    """

    def __init__(self, message: Any, **options: Any) -> None:
        super().__init__(message, **options)
        hidden = {"argsrepr": "(not shown)", "kwargsrepr": "(not shown)"}
        self._argsrepr = self._kwargsrepr = "(not shown)"
        self.request_dict.update(hidden)
        _, _, embed = options["body"] if options.get("decoded") else message.payload
        if not isinstance(embed or {}, dict):
            # In a thread of the pool it would raise where nobody acknowledges the message.
            raise InvalidTaskError("the third part of the body is no object")
        # Both as arguments by position, since Celery itself takes one that is named `self`.
        args = well_formed(self.args, self.kwargs)
        none: dict[str, Any] = {}
        self.request_dict.update(args=args, kwargs=none)
        self._args, self._kwargs = args, none
        # Read already: the pool need not do it again.
        body: tuple[Any, ...] = (args, none, embed)
        self._body, self._content_type, self._content_encoding = body, None, None

    def info(self, safe: bool = False) -> Any:  # noqa: FBT001, FBT002 - Celery's signature
        """What monitors are told of a running task."""
        del safe
        return super().info(safe=True)


@app.task(name=ENQUEUE, bind=True, acks_late=True, Request=PrivateRequest)
def enqueue(self: Task[Any, Any], args: list[Any], kwargs: dict[str, Any]) -> None:
    """Enqueue events for services that have a Celery client but not `segue_producer`.

    What can never be enqueued becomes a dead letter; the rest is enqueued, or waits until the outbox has room. A message
    that is delivered twice has its effect once.

    A message brings, by position (`args`) or by name (`kwargs`): `events`, which are what `Producer.enqueue` takes;
    `destinations`, which are names, `loops` where they are left out; and `lane`, which is `live` or `bulk`.
    """
    # A message may come without an id; then events without a messageId cannot be known again.
    task_id = str(self.request.id or uuid4())
    events, destinations, lane, besides = read_arguments(args, kwargs)
    try:
        served = {destination.name for destination in config().destinations} | runtime().announced()
        _enqueue(task_id, sort(task_id, events, destinations, served, besides=besides), lane)
    except (OutboxUnavailable, RedisError, OSError, KombuError) as error:
        if ENQUEUE_READING.failed(all_would=True):
            log.warning("enqueue messages go back to the queue, which is read again later: %s", error)
        raise Reject(str(error), requeue=True) from None


def _enqueue(task_id: str, found: Sorted, lane: Lane) -> None:
    """Enqueue the events of a task. Those for which a destination has no room are sent to the end of the queue again."""
    if found.good and found.destinations:
        try:
            _producer(found.destinations, lane).enqueue_prepared([prepared for prepared, _ in found.good])
            ENQUEUE_READING.done()
        except OutboxFull as error:
            for name, message_ids in error.owed.items():
                owed = found.owed(message_ids)
                del owed[: _enqueue_what_fits(name, [prepared for prepared, _ in owed], lane)]
                if owed:
                    arguments = [[event for _, event in owed], [name], lane]
                    app.send_task(ENQUEUE, arguments, task_id=task_id, queue=ENQUEUE_QUEUE, retry=False)
            if ENQUEUE_READING.failed():
                log.warning("events of enqueue messages wait in the queue, which is read again later: %s", error)
    for name, refused in found.refused.items():
        log.error("events of an enqueue message became dead letters: %d (%s)", len(refused), refused[0].word)
        runtime().bury(name or config().destinations[0].name, refused)


def _enqueue_what_fits(name: str, events: Sequence[Prepared], lane: Lane) -> int:
    """Enqueue the first of events that have no room all at once, where there may never be as much. Returns how many."""
    taken, at_once = 0, len(events) // 2
    while at_once and taken < len(events):
        try:
            _producer((name,), lane).enqueue_prepared(events[taken : taken + at_once])
        except OutboxFull as error:
            taken += len(error.taken)
            at_once //= 2
        else:
            taken += at_once
    if taken:
        ENQUEUE_READING.done()
    return min(taken, len(events))


@lru_cache(maxsize=64)
def _producer(destinations: tuple[str, ...], lane: Lane) -> Producer:
    return Producer(redis_url(), destinations, lane=lane)
