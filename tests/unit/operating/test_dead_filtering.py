"""Which dead letters a filter means."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from segue_producer.keys import contact_name
from segue_worker.operating.dead_letters import Filter, parse_since

from .conftest import letter_of

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (Filter(), True),
        (Filter(reason="refused"), True),
        (Filter(reason="expired"), False),
        (Filter(mapping="Send events"), True),
        (Filter(mapping="Sync contacts"), False),
        (Filter(contact="ada@example.com"), True),
        (Filter(contact=" Ada@Example.com "), True),
        (Filter(contact="ada"), False),
        (Filter(event="Signed Up"), True),
        (Filter(event="signed up"), False),
        (Filter(event="Signed Up", reason="refused", mapping="Send events"), True),
        (Filter(event="Signed Up", reason="expired"), False),
    ],
)
def test_all_that_is_given_must_hold(wanted: Filter, matches: bool) -> None:  # noqa: FBT001 - the expectation
    assert wanted.matches(letter_of(contact="ada@example.com")) is matches


def test_a_long_contact_is_found_by_itself() -> None:
    long = "u" * 300
    assert Filter(contact=long).matches(letter_of(contact=contact_name(long)))


def test_any_event_of_a_merged_letter_counts_and_what_is_no_event_does_not_disturb() -> None:
    letter = letter_of(events=("no JSON", "[]", '{"event": "Late"}'))
    assert Filter(event="Late").matches(letter)
    assert not Filter(event="Early").matches(letter)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", NOW - timedelta(hours=2)),
        ("1h30m", NOW - timedelta(minutes=90)),
        ("0s", NOW),
        ("2026-01-30", datetime(2026, 1, 30, tzinfo=UTC)),
        ("2026-01-30T10:20", datetime(2026, 1, 30, 10, 20, tzinfo=UTC)),
        ("2026-01-30T10:20:30+02:00", datetime(2026, 1, 30, 8, 20, 30, tzinfo=UTC)),
        ("2026-01-30 10:20:30 UTC", datetime(2026, 1, 30, 10, 20, 30, tzinfo=UTC)),
    ],
)
def test_a_point_in_time_is_a_span_before_now_or_a_date(text: str, moment: datetime) -> None:
    assert parse_since(text, NOW) == _ms(moment)


@pytest.mark.parametrize(
    "text",
    [
        *("", "2", "yesterday", "-2h", "1000000w", "2026-13-01"),
        *("0001-01-01", "0001-01-01T00:00+14:00", "1969-12-31T23:59Z", "30000d", "-2026-01-01"),
        *("9999-12-31", "9999-12-31T23:59-12:00"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    for now in (NOW, NOW.astimezone(timezone(timedelta(hours=2)))):
        with pytest.raises(ValueError, match="like 2h or 7d, or a date and time"):
            parse_since(text, now)
