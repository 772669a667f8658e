"""What calls for a pause of the whole destination."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_worker.delivery.watch import BREAKER_LEAST, DOWN_AFTER, Watch
from segue_worker.outbox.pause import PauseKind


def kind_of_trouble(watch: Watch) -> PauseKind | None:
    trouble = watch.trouble()
    return trouble and trouble[0]


def test_a_streak_of_failures_calls_for_a_pause_and_one_success_ends_it() -> None:
    watch = Watch()
    for _ in range(DOWN_AFTER - 1):
        watch.answered(passing_failure=True)
    watch.answered(passing_failure=False)
    for _ in range(DOWN_AFTER - 1):
        watch.answered(passing_failure=True)
        assert watch.trouble() is None
    watch.answered(passing_failure=True)
    assert watch.trouble() == (PauseKind.DOWN, f"Loops is down: {DOWN_AFTER} attempts in a row failed")


def test_after_a_pause_a_whole_streak_is_needed_for_the_next() -> None:
    watch = Watch()
    for _ in range(2):
        for _ in range(DOWN_AFTER - 1):
            watch.answered(passing_failure=True)
            assert watch.trouble() is None
        watch.answered(passing_failure=True)
        assert kind_of_trouble(watch) is PauseKind.DOWN


@pytest.mark.parametrize(
    ("refused", "delivered", "trips"),
    [
        (BREAKER_LEAST - 1, 0, False),
        (BREAKER_LEAST, 0, True),
        (BREAKER_LEAST, BREAKER_LEAST - 1, True),
        (BREAKER_LEAST, BREAKER_LEAST, False),
        (BREAKER_LEAST, 1000, False),
    ],
)
def test_the_breaker_wants_fifty_refused_requests_and_more_than_were_delivered(
    *, refused: int, delivered: int, trips: bool
) -> None:
    watch = Watch()
    for _ in range(delivered):
        watch.ended(delivered=1)
    for _ in range(refused - 1):
        watch.ended(refused=1)
        assert watch.trouble() is None
    watch.ended(refused=1)
    reason = (
        f"Loops refused {refused} requests and took only {delivered} events; look at them with "
        "`segue dead list`, correct the cause, then `segue resume`"
    )
    assert watch.trouble() == ((PauseKind.BREAKER, reason) if trips else None)


@pytest.mark.parametrize("delivered", [0, BREAKER_LEAST])
def test_once_asked_the_breaker_counts_from_the_start(delivered: int) -> None:
    watch = Watch()
    watch.ended(delivered=delivered, refused=BREAKER_LEAST)
    watch.trouble()
    watch.ended(refused=BREAKER_LEAST - 1)
    assert watch.trouble() is None
    watch.ended(refused=1)
    assert kind_of_trouble(watch) is PauseKind.BREAKER


@given(st.lists(st.booleans(), max_size=400))
def test_a_destination_that_delivers_at_least_as_much_as_it_loses_is_never_broken_off(order: list[bool]) -> None:
    watch = Watch()
    for turn in order:
        first, second = ({"delivered": 1}, {"refused": 1}) if turn else ({"delivered": 2}, {"refused": 1})
        watch.ended(**first)
        watch.ended(**second)
        assert watch.trouble() is None
