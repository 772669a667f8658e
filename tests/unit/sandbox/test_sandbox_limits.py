from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_sandbox.limits import PeakWindow, RateLimiter
from segue_sandbox.switches import Switches

# Sixteenths of a second are exact in binary, so that a second apart means exactly that.
gaps = st.lists(st.integers(0, 40).map(lambda sixteenths: sixteenths / 16), max_size=80)


def moments_of(gap_list: list[float]) -> list[float]:
    return list(accumulate(gap_list, initial=1000.0))


def busiest_second(moments: list[float]) -> int:
    return max((sum(start <= moment < start + 1 for moment in moments) for start in moments), default=0)


@given(gaps)
def test_peak_is_the_busiest_second_there_was(gap_list: list[float]) -> None:
    window = PeakWindow()
    for moment in moments_of(gap_list):
        window.add(moment)
    assert window.peak == busiest_second(moments_of(gap_list))


@given(gaps, st.integers(1, 6))
def test_sliding_never_accepts_more_than_the_limit_in_any_second(gap_list: list[float], limit: int) -> None:
    limiter, switches = RateLimiter(), Switches(rate_limit=limit)
    accepted = [moment for moment in moments_of(gap_list) if limiter.admit(moment, switches).allowed]
    assert busiest_second(accepted) <= limit
    assert limiter.accepted.peak == busiest_second(accepted)
    assert limiter.accepted_total == len(accepted)
    assert limiter.received.peak == busiest_second(moments_of(gap_list))


@given(gaps, st.integers(1, 6))
def test_fixed_accepts_the_first_of_each_second(gap_list: list[float], limit: int) -> None:
    limiter, switches = RateLimiter(), Switches(rate_limit=limit, window="fixed")
    moments = moments_of(gap_list)
    verdicts = [limiter.admit(moment, switches).allowed for moment in moments]
    for second in {int(moment) for moment in moments}:
        in_second = [verdict for moment, verdict in zip(moments, verdicts, strict=True) if int(moment) == second]
        assert in_second == [True] * min(limit, len(in_second)) + [False] * max(len(in_second) - limit, 0)


@given(st.lists(st.integers(0, 15).map(lambda sixteenths: sixteenths / 160), max_size=60), st.integers(1, 6))
def test_one_request_per_slot_passes_both_windows(jitter: list[float], limit: int) -> None:
    for window in ("sliding", "fixed"):
        limiter, switches = RateLimiter(), Switches().changed({"rate_limit": limit, "window": window})
        moments = [sum(jitter[:index]) + index / limit for index in range(len(jitter))]
        assert all(limiter.admit(1000 + moment, switches).allowed for moment in moments)


def test_remaining_counts_down_to_zero_and_recovers() -> None:
    limiter, switches = RateLimiter(), Switches(rate_limit=2)
    remaining = [limiter.admit(at, switches).remaining for at in (10.0, 10.5, 10.9, 11.0, 11.4, 13.0)]
    assert remaining == [1, 0, 0, 0, 0, 1]


def test_a_late_reading_counts_as_of_the_latest_arrival() -> None:
    limiter, switches = RateLimiter(), Switches(rate_limit=1)
    assert [limiter.admit(at, switches).allowed for at in (10.0, 9.0, 10.9, 11.0)] == [True, False, False, True]


def test_used_share() -> None:
    limiter, switches = RateLimiter(), Switches(rate_limit=10)
    assert limiter.used_share(10) is None
    for number in range(21):
        limiter.admit(100 + number / 5, switches)
    assert limiter.used_share(10) == pytest.approx(21 / (10 * 4.1))
