"""Ids as text, and Python values as the JSON that Segment's clients would send."""

import json
import operator
from collections import OrderedDict, UserDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, Self
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

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
        (Decimal("0e999999999"), "0"),
        (0.5, "0.5"),
        (0.1, "0.1"),
        (Decimal("0.1"), "0.1"),
        (1e-7, "0.0000001"),
        (Decimal("1e-7"), "0.0000001"),
        (-1.5e-10, "-0.00000000015"),
        (Decimal("2.50"), "2.5"),
        (Decimal("1234567890123456789012345678901.5"), "1234567890123456789012345678901.5"),
        (Decimal("-1234567890123456789012345678901.70"), "-1234567890123456789012345678901.7"),
        (Fraction(9007199254740993), "9007199254740993"),
        (Fraction(10**30 + 1, 2), "5" + "0" * 29 + ".5"),
        (Fraction(-1, 3), "-1/3"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        ("id\ud800", "id\ufffd"),
        ("\ud83d\ude00", "😀"),
    ],
)
def test_an_id_keeps_its_digits(user_id: Any, text: str) -> None:
    assert id_text(user_id) == contact(user_id) == text


def test_an_id_has_digits_beyond_any_float() -> None:
    assert id_text(Fraction(10**400)) == id_text(Decimal(10**400)) == "1" + "0" * 400
    assert id_text(Fraction(10**400 + 1, 2)) == "5" + "0" * 399 + ".5"


@given(st.integers(-(10**400), 10**400), st.integers(-(10**400), 10**400))
def test_different_numbers_are_different_contacts_and_equal_ones_the_same(one: int, other: int) -> None:
    assert (contact(one) == contact(other)) == (one == other)
    assert contact(one) == contact(str(one)) == contact_of({"userId": one})


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_the_integer_it_equals_and_reads_back(number: float) -> None:
    assert float(id_text(number)) == number
    assert (id_text(number) == id_text(int(number))) == number.is_integer()


NUMBERS = st.one_of(
    st.integers(-5, 5),
    st.integers(),
    st.sampled_from([53, 64, 400, 5000]).map(lambda digits: 10**digits + 1),
    st.floats(),
    st.floats(-9, 9, width=16).map(lambda number: number / 4),
    st.decimals(),
    st.decimals(-2, 2, places=2),
    st.sampled_from(["1e5000", "1e-5000", "1e999999999", "1e-999999999", "sNaN", "1." + "0" * 9000]).map(Decimal),
    st.fractions(),
    st.fractions(-2, 2, max_denominator=4),
)
LIKE: list[Callable[[Any], Any]] = [int, float, Decimal, Fraction, np.int64, np.float64, np.longdouble]


def text_or_none(number: Any) -> str | None:
    try:
        return id_text(number)
    except ValueError:
        return None


@st.composite
def pairs_of_numbers(draw: st.DrawFn) -> tuple[Any, Any]:
    """Any two numbers, or often a number and the same one of another type."""
    one = draw(NUMBERS)
    # What is refused may have more digits than memory holds, once it is converted.
    if text_or_none(one) is None or draw(st.booleans()):
        return one, draw(NUMBERS)
    try:
        return one, draw(st.sampled_from(LIKE))(one)
    except (ArithmeticError, TypeError, ValueError):
        return one, one


@given(pairs_of_numbers())
def test_two_numbers_are_one_id_if_they_are_equal(pair: tuple[Any, Any]) -> None:
    one, other = map(text_or_none, pair)
    if one is None or other is None:
        return
    # Python's and numpy's own comparisons round some of these; ratios of integers do not.
    equal = operator.eq(*((int(each) if isinstance(each, np.integer) else each).as_integer_ratio() for each in pair))
    if equal:
        assert one == other
    elif one == other:
        # 0.1 and Decimal("0.1") differ in the seventeenth digit, and mean the same.
        decimal, double = sorted(pair, key=lambda number: isinstance(number, float | np.floating))
        assert repr(float(double)) == repr(float(decimal))
        assert Decimal(repr(float(double))) == decimal


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
        ({Decimal("2.5")}, [2.5]),
        (frozenset({datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)}), ["2026-01-02T03:04:05.678Z"]),
        (deque([Decimal(3)]), [3]),
        (Fraction(777), 777),
        (Fraction(10**400), None),
        (Fraction(10**400 + 1, 2), None),
        (np.longdouble(1.5), 1.5),
        (b"text", "text"),
        (Path("a/b"), "a/b"),
        (timedelta(days=1, seconds=1), "P1DT1S"),
    ],
)
def test_python_values_become_json(value: Any, written: Any) -> None:
    assert sent(value) == written


@dataclass
class Money:
    amount: Any
    at: Any = None
    _note: str = "for itself"


@dataclass(slots=True)
class Slotted:
    amount: Any


class Point(NamedTuple):
    x: Any
    y: Any = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


class Model(BaseModel):
    amount: Any = Field(serialization_alias="Amount")
    at: datetime = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


class Price(Enum):
    LOW = Decimal("2.5")
    SINCE = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    MONEY = Money(Decimal("2.5"))


class Labelled(str, Enum):  # noqa: UP042 - StrEnum has no values of its own
    """Its text is another one than its value, as with a label."""

    A = "a", "The letter A"

    def __new__(cls, value: str, label: str) -> Self:
        member = str.__new__(cls, label)
        member._value_ = value
        return member


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Shown(dict[str, Any]):
    """A dictionary that shows something else than it holds, as those of web frameworks do."""

    def items(self) -> Any:
        return {"shown": 1}.items()


class Real(float):
    pass


MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(max_size=3),
    st.decimals(),
    st.fractions(),
    st.datetimes(),
    st.datetimes(timezones=st.timezones()),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    st.complex_numbers(),
    st.binary(max_size=3),
    st.sampled_from([*Price, *Labelled, *Colour, *Level]),
    st.builds(Shown, amount=st.decimals()),
    st.builds(Real, st.floats()),
    st.builds(np.float32, st.floats(width=32)),
    st.builds(Path, st.just("a")),
    st.builds(object),
)


@st.composite
def members_of(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> Any:
    value = draw(inner)
    return draw(st.sampled_from([Money(value), Slotted(value), Point(value), Model(amount=value), UserDict(a=value)]))


VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        members_of(inner)
        | st.lists(inner, max_size=2)
        | st.lists(inner, max_size=2).map(tuple)
        | st.lists(inner, max_size=2).map(deque)
        | st.dictionaries(st.text(max_size=2), inner, max_size=2).map(OrderedDict)
        | st.frozensets(st.decimals(allow_nan=False) | st.datetimes() | st.sampled_from([*Price]), max_size=2)
    ),
    max_leaves=6,
)


def sent_or_refused(value: Any) -> str:
    try:
        return repr(sent(value))
    except InvalidEvent as error:
        return str(error)


@given(VALUES, st.sampled_from(["\ud800", 2**70, {1: 2}]))
def test_a_value_becomes_the_same_whatever_stands_beside_it(value: Any, neighbour: Any) -> None:
    alone = sent_or_refused({"value": value})
    beside = sent_or_refused({"value": value, "beside": neighbour})
    if alone.startswith("{"):
        assert beside.startswith(f"{alone[:-1]}, 'beside': ")
    else:
        assert beside == alone


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Money(Decimal("2.5"), MOMENT), {"amount": 2.5, "at": "2026-01-02T03:04:05.678Z"}),
        (Slotted(Decimal("2.5")), {"amount": 2.5}),
        (Model(amount={Decimal("2.5")}), {"Amount": [2.5], "at": "2026-01-02T03:04:05.678Z"}),
        (Point(Decimal("2.5")), [2.5, "2026-01-02T03:04:05.678Z"]),
        (list(Price), [2.5, "2026-01-02T03:04:05.678Z", {"amount": 2.5, "at": None}]),
        (Labelled.A, "The letter A"),
        (Shown(amount=1), {"amount": 1}),
        (Money(Money(Point(1, 2))), {"amount": {"amount": [1, 2], "at": None}, "at": None}),
    ],
)
def test_what_holds_other_values_becomes_what_they_become(value: Any, written: Any) -> None:
    assert sent(value) == written
    assert sent([value, "\ud800"]) == [written, "\ufffd"]


def test_values_may_be_nested_as_deep_beside_any_other() -> None:
    value: Any = Decimal(1)
    for _ in range(250):
        value = {"a": value}
    alone = sent(value)
    assert sent([value, 2**70])[0] == alone


def endless() -> Iterator[int]:
    yield from count()


@pytest.mark.parametrize("value", [count(), endless(), map(str, count()), iter([1]), 1j, b"\xff", range(10**12), iter])
def test_what_is_read_once_or_has_no_end_is_refused_without_being_read(value: Any) -> None:
    for given_ in ({"n": value}, {"n": [Money(value)], "beside": 2**70}):
        with pytest.raises(InvalidEvent, match=rf"properties\.value\.n.* is of type {type(value).__name__}"):
            sent(given_)


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
