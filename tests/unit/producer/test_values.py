"""Ids as text, and Python values as the JSON that Segment's clients would send."""

import json
from collections import UserDict
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_producer import InvalidEvent
from segue_producer.events import contact_of, prepare
from segue_producer.values import id_text


def sent(value: Any) -> Any:
    """What becomes of a property's value."""
    prepared = prepare({"type": "track", "userId": "u1", "event": "E", "properties": {"value": value}})
    return json.loads(prepared.json)["properties"]["value"]


def contact(user_id: Any) -> str:
    return prepare({"type": "identify", "userId": user_id}).contact


@pytest.mark.parametrize(
    "user_id", [777, 777.0, "777", Decimal(777), Decimal("777.00"), np.int64(777), np.float32(777), Fraction(777)]
)
def test_one_person_is_one_contact_however_the_id_is_written(user_id: Any) -> None:
    prepared = prepare({"type": "identify", "userId": user_id, "anonymousId": user_id})
    assert prepared.contact == "777"
    fields = json.loads(prepared.json)
    assert (fields["userId"], fields["anonymousId"]) == ("777", "777")


@pytest.mark.parametrize(
    ("user_id", "text"),
    [
        (2**53, "9007199254740992"),
        (2**53 + 1, "9007199254740993"),
        (10**30, "1" + "0" * 30),
        (1e21, "1" + "0" * 21),
        (-0.0, "0"),
        (0.5, "0.5"),
        (Decimal("2.50"), "2.5"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        ("id\ud800", "id\ufffd"),
        ("\ud83d\ude00", "😀"),
    ],
)
def test_an_id_keeps_its_digits(user_id: Any, text: str) -> None:
    assert id_text(user_id) == contact(user_id) == text


@given(st.integers(-(10**400), 10**400), st.integers(-(10**400), 10**400))
def test_different_numbers_are_different_contacts_and_equal_ones_the_same(one: int, other: int) -> None:
    assert (contact(one) == contact(other)) == (one == other)
    assert contact(one) == contact(str(one)) == contact_of({"userId": one})


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_the_integer_it_equals_and_reads_back(number: float) -> None:
    assert float(id_text(number)) == number
    assert (id_text(number) == id_text(int(number))) == number.is_integer()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), "2026-01-02T03:04:05.678Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=-5))), "2026-01-02T03:04:05.678-05:00"),
        (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05.000Z"),  # noqa: DTZ001 - one without a zone is meant
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))), "9999-12-31T23:59:59.999-05:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (Decimal("2.5"), 2.5),
        (Decimal(3), 3),
        (Decimal("1e999999"), None),
        (Decimal("nan"), None),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Fraction(1, 2), 0.5),
        (np.int64(5), 5),
        (np.float64(1.5), 1.5),
        (np.float32(1.5), 1.5),
        (np.bool_(True), True),
        (float("inf"), None),
        (2**64 - 1, 2**64 - 1),
        (2**70, float(2**70)),
        (10**4000, None),
        ("\ud800", "\ufffd"),
        ({2: "a", None: "b", True: "c", "\udfff": "d"}, {"2": "a", "null": "b", "true": "c", "\ufffd": "d"}),
        (UserDict(a=(1, 2)), {"a": [1, 2]}),
        ({"a"}, ["a"]),
    ],
)
def test_python_values_become_json(value: Any, written: Any) -> None:
    assert sent(value) == written


@pytest.mark.parametrize("value", [object(), np.zeros(3), datetime, {"a": object()}])
def test_what_has_no_json_form_is_named_by_its_place_and_type(value: Any) -> None:
    with pytest.raises(InvalidEvent, match=r"properties\.value(\.a)? is of type"):
        sent(value)


def test_a_moment_that_utc_has_no_year_for_keeps_its_offset() -> None:
    last = datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))
    prepared = prepare({"type": "identify", "userId": "u1", "timestamp": last})
    assert json.loads(prepared.json)["timestamp"] == "9999-12-31T23:59:59.999-05:00"


def test_what_holds_itself_is_refused() -> None:
    value: dict[str, Any] = {}
    value["again"] = value
    with pytest.raises(InvalidEvent, match="holds itself"):
        sent(value)
