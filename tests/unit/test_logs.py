"""Damping: an outage is a line, not a flood."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
from kombu.exceptions import OperationalError
from redis.exceptions import OutOfMemoryError

from segue_worker.logs import REPEATED_AFTER_S, Damper, as_json, facts, set_up


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def damper(clock: Clock) -> Damper:
    return Damper(clock)


def record(
    message: str, *args: object, level: int = logging.WARNING, error: BaseException | None = None
) -> logging.LogRecord:
    exc_info = (type(error), error, None) if error else None
    return logging.LogRecord("name", level, "file", 1, message, args, exc_info)


def test_the_same_warning_passes_once_in_half_a_minute(damper: Damper, clock: Clock) -> None:
    assert damper.filter(record("Redis does not answer (%s)", "TimeoutError"))
    assert not damper.filter(record("Redis does not answer (%s)", "TimeoutError"))
    assert damper.filter(record("Redis does not answer (%s)", "ConnectionError"))
    clock.now += REPEATED_AFTER_S
    assert damper.filter(record("Redis does not answer (%s)", "TimeoutError"))


def test_information_always_passes(damper: Damper) -> None:
    assert all(damper.filter(record("a run", level=logging.INFO)) for _ in range(3))


def test_a_brokers_trouble_loses_its_traceback_and_repeats_whatever_its_text(damper: Damper) -> None:
    def trouble(text: str) -> logging.LogRecord:
        error = OperationalError(text)
        error.__cause__ = OutOfMemoryError(text)
        return record("Message Error: %s\n%s", error, "stack " * 100, level=logging.ERROR, error=error)

    first = trouble("one")
    assert damper.filter(first)
    assert (first.getMessage(), first.exc_info) == ("Message Error: OperationalError", None)
    assert not damper.filter(trouble("two"))


def test_other_errors_keep_their_traceback(damper: Damper) -> None:
    error = record("failed", level=logging.ERROR, error=ValueError("x"))
    assert damper.filter(error)
    assert error.exc_info is not None


def test_attempts_to_reconnect_repeat_however_they_are_counted(damper: Damper) -> None:
    def attempt(number: int) -> logging.LogRecord:
        again = record("Cannot connect: %s", number, level=logging.ERROR)
        again.name = "celery.worker.consumer.consumer"
        return again

    assert damper.filter(attempt(1))
    assert not damper.filter(attempt(2))


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What the logger `segue.test` writes."""
    logger, stream = logging.getLogger("segue.test"), io.StringIO()
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield stream
    logger.removeHandler(handler)


def test_json_lines_carry_the_facts_of_a_record(stream: io.StringIO) -> None:
    logger = logging.getLogger("segue.test")
    set_up(logger, style="json")
    logger.info("a run at %s", "loops", extra=facts(destination="loops", delivered=3))
    try:
        raise ValueError("out of range")  # noqa: TRY301 - what a handler would catch
    except ValueError:
        logger.exception("it failed\non two lines")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert {name: first[name] for name in ("level", "message", "destination", "delivered")} == {
        "level": "info",
        "message": "a run at loops",
        "destination": "loops",
        "delivered": 3,
    }
    assert first["at"].endswith("+00:00")
    assert second["error"].splitlines()[-1] == "ValueError: out of range"


def test_console_lines_stay_as_they_are_and_an_unknown_style_is_told(stream: io.StringIO) -> None:
    logger = logging.getLogger("segue.test")
    set_up(logger, style="console")
    logger.info("a run", extra=facts(delivered=3))
    assert stream.getvalue() == "a run\n"
    set_up(logger, style="jsn")
    assert stream.getvalue().endswith("SEGUE_LOG is 'jsn': write json or console\n")


def test_a_text_that_was_printed_is_a_record_and_a_traceback_one_with_its_error_as_the_message() -> None:
    assert json.loads(as_json("hello\n  there", "stdout")) | {"at": ""} == {
        "at": "",
        "level": "info",
        "logger": "stdout",
        "message": "hello\n  there",
    }
    text = 'Exception in thread:\nTraceback (most recent call last):\n  File "a"\nValueError: x\n'
    told = json.loads(as_json(text, "stderr"))
    assert (told["level"], told["message"], told["error"]) == ("error", "ValueError: x", text)
    assert json.loads(as_json("refused", "segue_worker.logs"))["level"] == "error"


EVIL = "m\x1b[2J\x9b\u202e\n2026-01-01 INFO forged"


@pytest.mark.parametrize("style", ["console", "json"])
def test_what_a_sender_wrote_forges_no_line_and_steers_no_terminal(stream: io.StringIO, style: str) -> None:
    logger = logging.getLogger("segue.test")
    set_up(logger, style=style)
    logger.info("messageId %s was given up", EVIL, extra=facts(message_ids=[EVIL]))
    try:
        raise ValueError(EVIL)  # noqa: TRY301 - what a handler would catch
    except ValueError:
        logger.exception("it failed: %s", EVIL)
    assert all(character.isprintable() or character == "\n" for character in stream.getvalue())
    assert not any(line.startswith("2026") for line in stream.getvalue().splitlines())
    if style == "json":
        assert [json.loads(line)["level"] for line in stream.getvalue().splitlines()] == ["info", "error"]
        assert json.loads(stream.getvalue().splitlines()[0])["message_ids"] == [EVIL]
    else:
        assert "messageId m\\x1b[2J\\x9b\\u202e\\n2026-01-01 INFO forged was given up\n" in stream.getvalue()
