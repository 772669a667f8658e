"""While Redis is away only one caller waits for it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_producer.breaker import QUICK_S, REST_S, Breaker
from segue_producer.errors import OutboxUnavailable

SINCE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Clock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(monotonic=clock, now=lambda: SINCE)


def fail(breaker: Breaker, clock: Clock, *, took_s: float = 2.0) -> OutboxUnavailable:
    began = breaker.enter()
    clock.s += took_s
    return breaker.failed(began, OutboxUnavailable("Redis did not answer", uncertain=["m1"]))


def test_after_a_call_that_waited_the_others_fail_at_once_and_are_told_since_when(
    breaker: Breaker, clock: Clock
) -> None:
    first = fail(breaker, clock)
    assert (first.since, first.uncertain) == (SINCE, ("m1",))
    for _ in range(5):
        with pytest.raises(
            OutboxUnavailable, match=r"away since 2026-01-02 03:04:05 UTC; tried again in 3.0 s"
        ) as caught:
            breaker.enter()
        assert (caught.value.since, caught.value.uncertain) == (SINCE, ())


def test_one_caller_tries_and_a_success_lets_everybody_in(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, clock)
    clock.s += REST_S
    breaker.enter()
    with pytest.raises(OutboxUnavailable):
        breaker.enter()
    breaker.succeeded()
    breaker.enter()


def test_a_call_that_failed_quickly_keeps_nobody_out(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, clock, took_s=QUICK_S / 2)
    assert fail(breaker, clock, took_s=QUICK_S / 2).since == SINCE


@given(st.lists(st.tuples(st.floats(0, 10), st.booleans()), max_size=30))
def test_nobody_waits_within_a_rest_and_it_never_lasts_for_ever(calls: list[tuple[float, bool]]) -> None:
    clock = Clock()
    breaker = Breaker(monotonic=clock, now=lambda: SINCE)
    waited_until = 0.0
    for after_s, answers in calls:
        clock.s += after_s
        try:
            began = breaker.enter()
        except OutboxUnavailable:
            assert clock.s < waited_until + REST_S
            continue
        if answers:
            breaker.succeeded()
        else:
            clock.s += 2.0
            breaker.failed(began, OutboxUnavailable("away"))
            waited_until = clock.s
    clock.s += REST_S
    breaker.enter()
