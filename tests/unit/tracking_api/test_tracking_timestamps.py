from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_tracking_api.timestamps import correct, instant

RECEIVED = datetime(2026, 3, 1, 12, tzinfo=UTC)
EARLIEST = RECEIVED - datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
LATEST = RECEIVED - datetime(1, 1, 1, tzinfo=UTC)
"""How old an event may be, or how far in the future, so that its corrected timestamp still exists."""


def corrected(event: dict[str, Any], sent_at: str | None = None) -> dict[str, Any]:
    correct(event, batch_sent_at=instant(sent_at), received_at=RECEIVED)
    return event


def test_a_clock_an_hour_behind_is_corrected() -> None:
    event = corrected({"timestamp": "2026-03-01T10:59:58.500Z"}, "2026-03-01T11:00:00Z")
    assert event["timestamp"] == RECEIVED - timedelta(seconds=1.5)
    assert event["originalTimestamp"] == "2026-03-01T10:59:58.500Z"
    assert event["receivedAt"] == "2026-03-01T12:00:00.000Z"


def test_the_event_s_own_words_go_before_the_batch_s() -> None:
    event = {
        "originalTimestamp": "2026-03-01T12:00:00+01:00",
        "timestamp": "1999-01-01T00:00:00Z",
        "sentAt": "2026-03-01T11:00:10Z",
    }
    assert corrected(event, "2030-01-01T00:00:00Z")["timestamp"] == RECEIVED - timedelta(seconds=10)


def test_an_import_keeps_its_place_in_history() -> None:
    event = corrected({"timestamp": "2015-06-01T00:00:00Z"}, "2026-03-01T12:00:00Z")
    assert event["timestamp"] == datetime(2015, 6, 1, tzinfo=UTC)


def test_without_a_time_of_sending_the_client_is_believed() -> None:
    assert corrected({"timestamp": "2026-01-02T03:04:05"})["timestamp"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_without_any_time_it_is_now() -> None:
    event = corrected({"timestamp": None, "sentAt": "nonsense"})
    assert event["timestamp"] == RECEIVED
    assert "sentAt" not in event
    assert "originalTimestamp" not in event


@pytest.mark.parametrize("value", ["soon", "", "2016-12-31T23:59:60Z", 1_700_000_000, ["2026"]])
def test_what_is_no_timestamp_happened_when_it_was_received(value: object) -> None:
    event = corrected({"timestamp": value, "originalTimestamp": value}, "2026-03-01T12:00:00Z")
    assert (event["timestamp"], event.get("originalTimestamp")) == (RECEIVED, None)


@given(happened=st.datetimes(), sent=st.datetimes())
def test_any_two_moments_can_be_corrected(happened: datetime, sent: datetime) -> None:
    event = corrected({"timestamp": happened.isoformat()}, sent.isoformat())
    age = sent - happened
    shifted = event["timestamp"] == RECEIVED - age if EARLIEST <= age <= LATEST else False
    assert shifted or event["timestamp"] == happened.replace(tzinfo=UTC)
    assert shifted == (EARLIEST <= age <= LATEST)
