"""Logs that stay readable: what repeats each second is no news, and an outage is not a page of tracebacks a second.

`SEGUE_LOG=json` writes a JSON object a line, and nothing else, with the facts of a record as fields (docs/logs.md).
Otherwise lines are for people. Neither holds personal data, nor control characters as they are: a messageId could forge
lines with them, or steer a terminal.
"""

import json
import logging
import os
import sys
import textwrap
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from segue_worker.log_stream import log_stream, take_over
from segue_worker.printable import visible, visible_json, visible_lines

REPEATED_AFTER_S: Final = 30.0
_CHATTY: Final = ("celery.beat", "celery.worker.strategy", "celery.app.trace", "httpx")
_REMEMBERED_AT_MOST: Final = 1000
_STYLES: Final = ("console", "json")
_LEVELS: Final = {"stdout": logging.INFO, "stderr": logging.WARNING}
_TRACEBACK: Final = "Traceback (most recent call last):"
FACTS: Final = "facts"
"""Name of the record's attribute."""
_FOREIGN: Final = ("celery.", "kombu.")
_PLAIN: Final = logging.Formatter()


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


class Visible(logging.Filter):
    """Spells out the control characters of a record's text, and indents a traceback, so that neither forges a line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record. Returns that it is let through."""
        record.msg, record.args = visible(record.getMessage().strip("\n")), ()
        if record.exc_info and record.exc_info[0] is not None and not record.exc_text:
            record.exc_text = textwrap.indent(visible_lines(_PLAIN.formatException(record.exc_info)), "  ")
        return True


def _broker_trouble(error: BaseException | None) -> BaseException | None:
    """The Redis or broker error in an exception's history, if there is one."""
    while error is not None:
        if isinstance(error, RedisError | KombuError):
            return error
        error = error.__cause__ or error.__context__
    return None


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `at`, `level`, `logger`, `message`, the record's `facts`, and `error` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        fields: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, FACTS, {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            fields["error"] = self.formatException(record.exc_info)
        return visible_json(json.dumps(fields, default=str, ensure_ascii=False))


def wants_json() -> bool:
    """Whether `SEGUE_LOG` asks for JSON."""
    return os.environ.get("SEGUE_LOG") == "json"


def only_json() -> None:
    """Where JSON is asked for, have nothing else leave this process by stdout or stderr, whoever writes it."""
    if wants_json():
        take_over(as_json)


def as_json(text: str, name: str) -> str:
    """The line of the log for a text that was written to `stdout` or `stderr`, or by the logger of that name."""
    level = logging.ERROR if _TRACEBACK in text else _LEVELS.get(name, logging.ERROR)
    error = {"error": text} if _TRACEBACK in text else {}
    # Of a traceback, the line that names the error.
    behind = text.rpartition(_TRACEBACK)[2].splitlines() if error else [text]
    message = next((line for line in behind if line and not line.startswith(" ")), text)
    record = logging.LogRecord(name, level, "", 0, "%s", (message,), None)
    vars(record)[FACTS] = error
    return JsonFormatter().format(record)


def last_words(text: str) -> None:
    """Write to stderr why the process ends, as the log would, which may not be set up yet, or may hang."""
    stream = log_stream()
    line = text if stream is None else as_json(text, __name__)
    os.write(2 if stream is None else stream.fileno(), f"{line}\n".encode())


def facts(**fields: Any) -> dict[str, dict[str, Any]]:
    """What a logging call takes as `extra`, so that a JSON log has these fields; never personal data."""
    return {FACTS: fields}


def set_up(logger: logging.Logger, *, style: str | None = None) -> None:
    """Quieten Celery, kombu and httpx, damp what repeats, and write JSON where that is asked for, or what can be seen.

    Args:
        logger: whose handlers write the log: the root logger.
        style: `json` or `console`; what `SEGUE_LOG` says when left out.
    """
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    damper = Damper()
    chosen = os.environ.get("SEGUE_LOG", "console") if style is None else style
    for handler in logger.handlers:
        handler.addFilter(damper)
        if chosen == "json":
            handler.setFormatter(JsonFormatter())
            stream = log_stream()
            if stream is not None and isinstance(handler, logging.StreamHandler) and handler.stream is sys.__stderr__:
                handler.setStream(stream)
        else:
            handler.addFilter(Visible())
    if chosen not in _STYLES:
        logger.warning("SEGUE_LOG is %r: write json or console", chosen)


def to_stderr(level: int) -> None:
    """Write the log to stderr, set up as a worker's: for processes that are none. Where somebody logs already, they go on."""
    only_json()
    root = logging.getLogger()
    if not root.handlers:
        logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        set_up(root)
