import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_worker.mapping.gregorian import civil_from_days, days_from_civil
from segue_worker.mapping.segment_dates import is_date_like
from segue_worker.mapping.v8_dates import parse_v8_date


@pytest.mark.parametrize(
    "text",
    [
        "2025-05-05T14:17:38.089Z",
        "2025-05-05T14:17:38+02:00",
        "2025-05-05",
        "2025/5/5 14:17",
        "2024-02-30",
        "2024-13-01",
        "2024-02-30T00:00:00Z",
        "1700000000",
        "1700000000000",
        "0",
        "-1",
        "May 5, 2025",
        "Mon, 02 Jan 2006 15:04:05 -0700",
        "foo 1",
        "2024-01-01T24:00:00Z",
    ],
)
def test_dates(text: str) -> None:
    assert is_date_like(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not a date",
        "null",
        "NaN",
        "Infinity",
        "12:30",
        "2024-04-01T10:09:65Z",
        "2024-04-01T25:00:00Z",
        "1e400",
        "99999999999999",
        "x" * 501,
    ],
)
def test_no_dates(text: str) -> None:
    assert not is_date_like(text)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01", 0),
        ("1970-01-01T01:00:00.5+01:00", 500),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Jan 1 1970 12:00 am EST", 18_000_000),
        ("1/2/70", 86_400_000),
        ("+275760-09-13T00:00:00Z", 8.64e15),
        ("+275760-09-13T00:00:00.001Z", None),
        ("2024-01-01T00:00:00Z trailing", None),
    ],
)
def test_times_are_v8s(text: str, milliseconds: float | None) -> None:
    assert parse_v8_date(text) == milliseconds


@given(st.integers(-100_000_000, 100_000_000))
def test_the_calendar_goes_both_ways(days: int) -> None:
    assert days_from_civil(*civil_from_days(days)) == days


@given(st.text(alphabet="0123456789-/:. TZ+,()maypJun\u00a0é", max_size=40))
def test_any_text_is_answered(text: str) -> None:
    assert is_date_like(text) in {True, False}
