"""Hints: Celery messages that say a destination has work. Any of them may be lost or doubled without harm."""

import logging

from segue_producer.broker import celery_app
from segue_producer.settings import DELIVER, HINT_EXPIRES_S, QUEUE

log = logging.getLogger(__name__)


class Hints:
    """Sends hints through a broker.

    Args:
        broker_url: Celery broker.
        timeout: seconds to wait for the broker at most.
    """

    def __init__(self, broker_url: str, *, timeout: float) -> None:
        self._app = celery_app("segue", broker_url, timeout=timeout, set_as_current=False)

    def send(self, destination: str) -> bool:
        """Send one hint. Returns whether it went out; a failure is logged, and the sweep repairs it within two seconds."""
        try:
            self._app.send_task(
                DELIVER, args=[destination], queue=QUEUE, expires=HINT_EXPIRES_S, ignore_result=True, retry=False
            )
        except Exception as error:  # noqa: BLE001 - the broker may be of any kind, and the event is already durable
            log.warning(
                "no hint for destination %s: %s; the sweep will find the work", destination, type(error).__name__
            )
            return False
        return True
