"""Damping: an outage is a line, not a flood."""

import logging

import pytest
from kombu.exceptions import OperationalError
from redis.exceptions import OutOfMemoryError

from segue_worker.logs import REPEATED_AFTER_S, Damper


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
    assert damper.filter(record("Redis is away (%s)", "TimeoutError"))
    assert not damper.filter(record("Redis is away (%s)", "TimeoutError"))
    assert damper.filter(record("Redis is away (%s)", "ConnectionError"))
    clock.now += REPEATED_AFTER_S
    assert damper.filter(record("Redis is away (%s)", "TimeoutError"))


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
