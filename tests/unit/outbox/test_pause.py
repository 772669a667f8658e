"""Pauses: when they are probed, and what calls for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_worker.delivery.watch import BREAKER_LEAST, DOWN_AFTER, Watch
from segue_worker.outbox.pause import Pause, PauseKind, after_probe, begin

NOW = 1_700_000_000_000


@pytest.mark.parametrize("kind", PauseKind)
def test_a_pause_survives_being_written(kind: PauseKind) -> None:
    pause = begin(kind, "reason", NOW)
    assert Pause.from_json(pause.to_json()) == pause


@pytest.mark.parametrize("kind", [PauseKind.HAND, PauseKind.BREAKER])
def test_what_only_a_person_resumes_is_not_probed(kind: PauseKind) -> None:
    assert begin(kind, "reason", NOW).next_probe is None


def test_a_refused_key_is_probed_once_a_minute_however_long_it_takes() -> None:
    pause = begin(PauseKind.REFUSED, "reason", NOW)
    for minute in range(1, 120):
        assert pause.next_probe == NOW + minute * 60_000
        pause = after_probe(pause, NOW + minute * 60_000)


def test_a_loops_that_is_down_is_probed_ever_more_rarely() -> None:
    pause = begin(PauseKind.DOWN, "reason", NOW)
    waits = []
    for _ in range(10):
        assert pause.next_probe is not None
        waits.append((pause.next_probe - NOW) // 1000)
        pause = after_probe(pause, NOW)
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300, 300]


def test_a_streak_of_failures_calls_for_a_pause_and_one_success_ends_it() -> None:
    watch = Watch()
    for _ in range(DOWN_AFTER - 1):
        watch.answered(passing_failure=True)
    watch.answered(passing_failure=False)
    assert watch.trouble() is None
    for _ in range(DOWN_AFTER):
        watch.answered(passing_failure=True)
    trouble = watch.trouble()
    assert trouble is not None
    assert trouble[0] is PauseKind.DOWN
    assert watch.trouble() is None


def test_the_breaker_trips_when_most_become_dead_letters() -> None:
    watch = Watch()
    watch.ended(delivered=BREAKER_LEAST - 1)
    watch.ended(refused=BREAKER_LEAST)
    trouble = watch.trouble()
    assert trouble is not None
    assert trouble[0] is PauseKind.BREAKER


@given(st.lists(st.booleans(), max_size=400))
def test_a_destination_that_delivers_at_least_as_much_as_it_loses_is_never_broken_off(order: list[bool]) -> None:
    watch = Watch()
    for turn in order:
        first, second = ({"delivered": 1}, {"refused": 1}) if turn else ({"delivered": 2}, {"refused": 1})
        watch.ended(**first)
        watch.ended(**second)
        assert watch.trouble() is None


NOW_MS = 1_700_000_000_000


def test_a_probe_is_wanted_when_its_time_has_come_or_the_clock_was_set_back() -> None:
    pause = begin(PauseKind.REFUSED, "401", NOW_MS)
    assert pause.next_probe is not None
    assert not pause.wants_probe(pause.next_probe - 1)
    assert pause.wants_probe(pause.next_probe)
    assert pause.wants_probe(pause.next_probe - 3_600_000)
    assert not begin(PauseKind.HAND, "by hand", NOW_MS).wants_probe(NOW_MS * 2)
