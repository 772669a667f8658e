from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_sandbox.rules.dates import format_date, parse_date

NOON = datetime(2026, 1, 2, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1_767_357_000_000, NOON),
        (1_767_357_000_000.0, NOON),
        ("1767357000000", NOON),
        ("-1", datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
        ("2026-01-02", NOON.replace(hour=0, minute=0)),
        ("2026-01-02T12:30", NOON),
        ("2026-01-02 12:30", NOON),
        ("2026-01-02T12:30:01", NOON.replace(second=1)),
        ("2026-01-02 12:30:01.250", NOON.replace(second=1, microsecond=250_000)),
        ("2026-01-02T12:30Z", NOON),
        ("2026-01-02T14:30+02:00", NOON),
        ("2026-01-02T07:00:00-05:30", NOON),
    ],
)
def test_documented_forms(value: Any, moment: datetime) -> None:
    assert parse_date(value) == moment


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yesterday",
        "2026-13-01",
        "2026-02-30",
        "2026-01-02Z",
        "2026-01-02T12",
        "2026-01-02T12:30:01.2",
        "2026-01-02T12:30:01.250000",
        "2026-01-02T25:00",
        "2026-01-02T12:30+0200",
        "2026-W01-1",
        "20260102T123000",
        "\uff12\uff10\uff12\uff16-01-02",
        1.5,
        10**18,
        "9" * 15,
        True,
        None,
        ["2026-01-02"],
    ],
)
def test_everything_else_is_no_date(value: Any) -> None:
    assert parse_date(value) is None


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9000, 1, 1)))  # noqa: DTZ001  hypothesis wants them naive
def test_what_is_stored_reads_back(naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC, microsecond=naive.microsecond // 1000 * 1000)
    assert parse_date(format_date(moment)) == moment
