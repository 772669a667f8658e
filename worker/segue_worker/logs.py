"""Logs that stay readable: what repeats each second is no news, and an outage is not a page of tracebacks a second."""

import logging
import time
from collections.abc import Callable
from typing import Final

from kombu.exceptions import KombuError
from redis.exceptions import RedisError

REPEATED_AFTER_S: Final = 30.0
_CHATTY: Final = ("celery.beat", "celery.worker.strategy", "celery.app.trace", "httpx")
_REMEMBERED_AT_MOST: Final = 1000
_FOREIGN: Final = ("celery.", "kombu.")


class Damper(logging.Filter):
    """Lets the same warning or error through once in half a minute, and a broker's trouble without its traceback.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._last: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is let through."""
        if record.levelno < logging.WARNING:
            return True
        trouble = _broker_trouble(record.exc_info[1] if record.exc_info else None)
        if trouble is not None:
            # The first words, because the rest of Celery's messages is stacks and addresses.
            words = str(record.msg).split("%", 1)[0].strip(" :\n")
            record.msg, record.args, record.exc_info = f"{words}: {type(trouble).__name__}", (), None
        # Celery counts its attempts to reconnect in the text; what it says is the same.
        text = str(record.msg) if record.name.startswith(_FOREIGN) else record.getMessage()
        key = (record.name, text)
        now = self._clock()
        if now - self._last.get(key, -REPEATED_AFTER_S) < REPEATED_AFTER_S:
            return False
        if len(self._last) >= _REMEMBERED_AT_MOST:
            self._last.clear()
        self._last[key] = now
        return True


def _broker_trouble(error: BaseException | None) -> BaseException | None:
    """The Redis or broker error in an exception's history, if there is one."""
    while error is not None:
        if isinstance(error, RedisError | KombuError):
            return error
        error = error.__cause__ or error.__context__
    return None


def set_up(logger: logging.Logger) -> None:
    """Quieten Celery, kombu and httpx, and damp what repeats.

    Args:
        logger: whose handlers write the log: the root logger.
    """
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    damper = Damper()
    for handler in logger.handlers:
        handler.addFilter(damper)
