"""Durations in classes."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_worker.observing.metrics.minutes import Latency
from segue_worker.outbox.histogram import BOUNDS_MS, Histogram, count


def counted(*durations: float) -> dict[str, int]:
    fields: dict[str, int] = {}
    for ms in durations:
        count("wait", ms, fields)
    return fields


def test_a_duration_on_a_bound_belongs_below_it() -> None:
    assert counted(10, 11) == {"wait:3": 1, "wait:4": 1, "sum:wait": 21}


def test_clocks_that_disagree_make_no_negative_duration() -> None:
    assert counted(-5) == {"wait:0": 1}


def test_nothing_counted_has_no_percentile() -> None:
    assert Histogram().percentile(0.5) is None
    assert Latency.of([{}]) == Latency(None, None, None, None)


@given(st.lists(st.integers(0, BOUNDS_MS[-1]), min_size=1), st.sampled_from([0.0, 0.5, 0.95, 1.0]))
def test_a_percentile_lies_in_the_class_of_the_duration_it_stands_for(durations: list[int], share: float) -> None:
    exact = sorted(durations)[max(0, -(-int(share * 100) * len(durations) // 100) - 1)]
    low = max((bound for bound in BOUNDS_MS if bound < exact), default=0)
    high = min(bound for bound in BOUNDS_MS if bound >= exact)
    found = Histogram.read("wait", counted(*durations)).percentile(share)
    assert found is not None
    assert low <= found <= high


def test_beyond_the_last_bound_the_bound_is_all_one_knows() -> None:
    assert Histogram.read("wait", counted(10 * BOUNDS_MS[-1])).percentile(0.5) == BOUNDS_MS[-1]


@given(st.lists(st.integers(0, 10**9)), st.lists(st.integers(0, 10**9)))
def test_adding_up_is_counting_together(one: list[int], two: list[int]) -> None:
    together = Counter(counted(*one)) + Counter(counted(*two))
    parts = Histogram.read("wait", counted(*one)) + Histogram.read("wait", counted(*two))
    assert parts == Histogram.read("wait", together)
    assert parts.total == len(one) + len(two)


def test_minutes_make_one_latency() -> None:
    minutes = [counted(1, 1, 1), {**counted(1000), "took:0": 1, "sum:took": 1}]
    latency = Latency.of(minutes)
    assert latency.delivery_p50 == pytest.approx(2 / 3)
    assert latency.delivery_p95 is not None
    assert 500 < latency.delivery_p95 <= 1000
    assert latency.request_p50 is not None
