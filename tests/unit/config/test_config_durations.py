from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_worker.config import duration_text, parse_duration


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90s", timedelta(seconds=90)),
        ("0.5s", timedelta(milliseconds=500)),
        ("30m", timedelta(minutes=30)),
        ("24h", timedelta(hours=24)),
        ("1h30m", timedelta(minutes=90)),
        ("1h 30m", timedelta(minutes=90)),
        ("30d", timedelta(days=30)),
        ("2w", timedelta(weeks=2)),
        ("99999999999999999999d", timedelta.max),
    ],
)
def test_numbers_with_units_are_durations(text: str, span: timedelta) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize("given", [24, 1.5, "24", " 24 ", "1.5"])
def test_a_number_alone_is_asked_for_its_unit(given: object) -> None:
    with pytest.raises(ValueError, match="needs a unit"):
        parse_duration(given)


@pytest.mark.parametrize(
    "given", ["", "soon", "h", "1:30", "1y", "1h30", "24H;", True, None, ["24h"], "1h" * 40, "२४h"]
)
def test_anything_else_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(given)


def test_the_spelling_prefers_the_largest_unit_that_fits() -> None:
    spans = [
        timedelta(hours=24),
        timedelta(days=30),
        timedelta(minutes=90),
        timedelta(seconds=10),
        timedelta(seconds=0.5),
    ]
    assert [duration_text(span) for span in spans] == ["24h", "30d", "90m", "10s", "0.5s"]


@given(st.integers(min_value=1, max_value=400 * 86_400))
def test_a_spelled_span_reads_back(seconds: int) -> None:
    span = timedelta(seconds=seconds)
    assert abs(parse_duration(duration_text(span)) - span) < timedelta(milliseconds=1)


@pytest.mark.parametrize("given", [0, "0", "0s"])
def test_nothing_needs_no_unit(given: object) -> None:
    assert parse_duration(given) == timedelta()
