"""The pieces of the benchmarks, at sizes that take no time; nothing here is timed."""

import io
import json
from pathlib import Path

import pytest
from benchmarks.delivery import middle_rate
from benchmarks.limit_share import Step, left_between, recoveries
from benchmarks.mapping_rows import SEGMENT_US
from benchmarks.naive_worker import DELIVER, make_app, request_of
from benchmarks.report import progress_of, table, write_plot
from benchmarks.results import Row, machine, ratios, write_json
from benchmarks.traces import sign_ups, updates
from rich.console import Console

from segue_producer.events import prepare

HIGHER = Row("speed", "the other", [5.0, 6.0, 7.0], "x", 6, detail={"events/s": 12})
LOWER = Row("latency", "", [9.0], "ms", 8, "lower")
NONE = Row("429s", "10/s", [0.0, 1.0], "", 0, "lower")


def test_a_row_is_reached_by_its_median_and_a_count_of_none_by_all() -> None:
    assert (HIGHER.figure, HIGHER.reached) == (6.0, True)
    assert not LOWER.reached
    assert not NONE.reached
    assert Row("429s", "", [0.0, 0.0], "", 0, "lower").reached


def test_ratios_are_made_round_by_round() -> None:
    assert ratios([10, 30], [5, 10]) == [2, 3]


@pytest.mark.parametrize("row", [HIGHER, LOWER, NONE])
def test_what_is_reached_lies_at_one_or_above(row: Row) -> None:
    assert progress_of(row, row.reach) >= 1
    assert (progress_of(row, row.figure) >= 1) == row.reached


def test_results_become_a_table_json_and_a_plot(tmp_path: Path) -> None:
    rows = [HIGHER, LOWER, NONE]
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(table(rows))
    text = console.export_text()
    assert "≥ 6 x" in text
    assert "9 ms" in text
    write_json(tmp_path / "bench.json", rows, machine())
    written = json.loads((tmp_path / "bench.json").read_text())
    assert [(row["figure"], row["reached"]) for row in written["rows"]] == [(6, True), (9, False), (0.5, False)]
    assert written["machine"]["cores"] >= 1


def test_a_plot_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write_plot(tmp_path / "plot.svg", [HIGHER, LOWER, NONE])
    assert "<svg" in (tmp_path / "plot.svg").read_text()


def test_traces_are_events_the_producer_takes() -> None:
    events = [*updates(3, 2), *sign_ups(2)]
    assert len({prepare(event).message_id for event in events}) == 6 + 12
    assert [event["type"] for event in sign_ups(1)] == ["identify", "track", "track", *["identify"] * 3]


def test_the_naive_worker_maps_by_hand_and_knows_its_task() -> None:
    identify, track = list(sign_ups(1))[:2]
    assert request_of(identify)[:2] == ("PUT", "/contacts/update")
    assert request_of(track)[2] == {
        "userId": "person-0000000",
        "eventName": "User Registered",
        "eventProperties": {"plan": "pro", "total": 30},
        "email": "person-0000000@example.com",
    }
    assert DELIVER in make_app("memory://").tasks


def test_the_rate_of_the_middle_leaves_the_ends_out() -> None:
    steady = [100 + number / 10 for number in range(100)]
    assert middle_rate([0.0, *steady, 1000.0]) == pytest.approx(10)


def test_what_another_sender_leaves_over() -> None:
    steps = [Step(0, 4), Step(10, 0)]
    assert left_between(steps, 10, 0, 20) == pytest.approx(60 + 100)
    assert left_between(steps, 10, 5, 15) == pytest.approx(30 + 50)


def test_recovery_ends_when_a_second_begins_in_which_what_is_left_is_used() -> None:
    steps = [Step(0, 5), Step(10, 0)]
    slow = [10 + number / 5 for number in range(1, 16)]
    quick = [13 + number / 10 for number in range(1, 200)]
    (taken,) = recoveries(steps, 10, slow + quick)
    assert 2 < taken < 3.2


def test_the_yardstick_of_mapping_is_what_was_measured_in_node() -> None:
    assert SEGMENT_US == 16
