"""Minutes added up into points."""

import pytest
from fakeredis import FakeRedis

from segue_worker.dashboard.pages import seconds_text
from segue_worker.dashboard.series import MINUTE_MS, RANGES, Range, plot_series
from segue_worker.outbox import histogram

from .conftest import KEYS, NOW_MS, HttpVisitor

MINUTE = 1000
HALF = MINUTE * MINUTE_MS + MINUTE_MS // 2


def test_minutes_become_points_with_rates() -> None:
    span = Range("x", "X", 4, 2, 1)
    minutes = [{"delivered": 10}, {"delivered": 20, "requests": 120}, {}, {"delivered": 30, "rate_limited": 3}]
    series = plot_series(minutes, HALF, span, 10)
    assert series["times"] == [(MINUTE - 3) * 60, (MINUTE - 1) * 60]
    # The second point is a minute and a half long so far.
    assert series["delivered"] == [15.0, 20.0]
    assert series["rate_limited"] == [0.0, 2.0]
    assert series["requests_per_s"] == [1.0, 0.0]
    assert series["limit"] == 10


def test_the_first_moments_of_a_minute_do_not_shoot_up() -> None:
    span = Range("x", "X", 1, 1, 1)
    assert plot_series([{"delivered": 1}], MINUTE * MINUTE_MS, span, None)["delivered"] == [6.0]


def test_percentiles_are_those_of_all_minutes_of_a_point() -> None:
    span = Range("x", "X", 4, 2, 1)
    minutes = [{"wait:9": 1}, {"wait:9": 1}, {}, {}]
    series = plot_series(minutes, HALF, span, None)
    assert series["delivery_p99_s"][0] is not None
    assert 0.2 < series["delivery_p99_s"][0] <= 1
    assert series["delivery_p99_s"][1] is None
    assert series["request_p50_s"] == [None, None]


def test_the_queue_age_of_a_point_is_its_worst() -> None:
    span = Range("x", "X", 4, 2, 1)
    minutes = [{"oldest_ms": 1500}, {"oldest_ms": 500}, {"delivered": 1}, {}]
    assert plot_series(minutes, HALF, span, None)["queue_age_s"] == [1.5, None]


async def test_each_range_is_served_whole(visitor: HttpVisitor, redis: FakeRedis) -> None:
    redis.hset(f"{KEYS.stats}{NOW_MS // MINUTE_MS - 1}", mapping={"delivered": 60})
    for name, span in RANGES.items():
        series = (await visitor.get(f"/series/loops?range={name}")).json()
        assert len(series["times"]) == len(series["delivered"]) == span.minutes // span.step
        assert sum(series["delivered"]) > 0
        assert series["limit"] == 10
    assert (await visitor.get("/series/elsewhere")).status_code == 404


def test_the_time_of_an_average_delivery_is_split_into_waiting_limit_and_loops() -> None:
    span = Range("x", "X", 4, 2, 1)
    counted: dict[str, int] = {"sum:limit": 400}
    for ms in (100, 300):
        histogram.count("took", ms, counted)
    for ms in (1000, 1000, 2500):
        histogram.count("wait", ms, counted)
    series = plot_series([counted, {}, {"wait:3": 1, "took:3": 1}, {}], HALF, span, None)
    # The second point was counted by a version that kept no sums.
    assert series["loops_s"] == [0.2, None]
    assert series["limit_s"] == [0.2, None]
    assert series["waiting_s"] == [1.1, None]


def test_what_requests_took_together_is_never_more_than_the_whole() -> None:
    counted: dict[str, int] = {}
    histogram.count("took", 900, counted)
    histogram.count("wait", 600, counted)
    assert plot_series([counted], HALF, Range("x", "X", 1, 1, 1), None)["waiting_s"] == [0.0]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "\N{EN DASH}"), (0, "0"), (0.0004, "0.4 ms"), (0.076, "76 ms"), (1.24, "1.2 s"), (12.3, "12 s"), (240, "4 min"), (9000, "2.5 h"), (260_000, "3 d")],
)  # fmt: skip
def test_times_are_written_in_the_unit_that_suits_them(seconds: float | None, text: str) -> None:
    assert seconds_text(seconds) == text
