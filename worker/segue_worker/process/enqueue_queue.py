"""The queue of `segue.enqueue`: this process reads it more and more seldom as long as its tasks cannot be done."""

import logging
from typing import Any, Final

from celery import bootsteps

from segue_producer.settings import ENQUEUE_QUEUE

SHORTEST_S: Final = 0.5
LONGEST_S: Final = 5.0
TRIES: Final = 50
"""Tasks that may fail before the queue is left alone: those for other destinations may stand behind them."""

log = logging.getLogger(__name__)


class EnqueueQueue:
    """Whether this process takes tasks from the queue. Tasks call it from their threads."""

    def __init__(self) -> None:
        self._consumer: Any = None
        self._pause_s = 0.0
        self._held = False
        self._failed = 0

    def attach(self, consumer: Any) -> None:
        """Read by a consumer, which has just connected."""
        self._consumer = consumer
        if self._held:
            # Once it is ready for messages: RabbitMQ would send the first of them at once.
            consumer.call_soon(self._go_on)

    def failed(self, *, all_would: bool = False) -> bool:
        """Note that a task could not be done. After some of them nothing is read for a while, longer each time.

        Args:
            all_would: no other task could be done either.

        Returns:
            whether a pause begins.
        """
        self._failed += 1
        consumer = self._consumer
        if consumer is None or self._held or (self._failed < TRIES and not all_would):
            return False
        self._held = True
        self._pause_s = min(LONGEST_S, 2 * self._pause_s or SHORTEST_S)
        consumer.call_soon(self._stop, consumer)
        return True

    def done(self) -> None:
        """Note that a task was done."""
        self._pause_s = 0.0

    def _stop(self, consumer: Any) -> None:
        """Stop reading for a while (in the consumer's thread)."""
        consumer.cancel_task_queue(ENQUEUE_QUEUE)
        consumer.timer.call_after(self._pause_s, self._go_on, ())

    def _go_on(self) -> None:
        """Read again (in the consumer's thread)."""
        self._held, self._failed = False, 0
        self._consumer.add_task_queue(ENQUEUE_QUEUE)


ENQUEUE: Final = EnqueueQueue()
"""This process's."""


class ReadsEnqueue(bootsteps.StartStopStep):
    """Gives `ENQUEUE` the consumer."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Any) -> None:
        """Called with each connection to the broker."""
        ENQUEUE.attach(parent)
