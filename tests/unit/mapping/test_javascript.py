import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_worker.mapping.javascript import (
    array_index,
    is_falsy,
    number_text,
    own_entries,
    text,
    type_name,
    utf16_length,
    utf16_unit,
    utf16_units,
)
from segue_worker.mapping.limits import Meter
from segue_worker.mapping.undefined import UNDEFINED


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (5, "5"),
        (5.0, "5"),
        (-0.0, "0"),
        (12.5, "12.5"),
        (1e-7, "1e-7"),
        (1.5e-7, "1.5e-7"),
        (0.000001, "0.000001"),
        (0.00001234, "0.00001234"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.25e21, "1.25e+21"),
        (2**53, "9007199254740992"),
        (123456789012345678, "123456789012345680"),
        (-123456789012345678, "-123456789012345680"),
        (10**400, "Infinity"),
        (-(10**400), "-Infinity"),
        (math.nan, "NaN"),
    ],
)
def test_numbers_are_printed_as_javascript_prints_them(number: float, expected: str) -> None:
    assert number_text(number) == expected


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_printing_a_number_loses_nothing(number: float) -> None:
    assert float(number_text(number)) == number


@pytest.mark.parametrize("value", [None, UNDEFINED, False, 0, 0.0, -0.0, "", math.nan])
def test_falsy(value: Any) -> None:
    assert is_falsy(value)


@pytest.mark.parametrize("value", [True, 1, "0", " ", [], {}])
def test_truthy_unlike_python(value: Any) -> None:
    assert not is_falsy(value)


def test_lists_become_text_with_commas_and_without_nulls() -> None:
    assert text([1, None, ["a", [UNDEFINED, True]], {"k": 1}], Meter()) == "1,,a,,true,[object Object]"


def test_objects_have_their_indexes_first() -> None:
    entries = own_entries({"b": 1, "10": 2, "2": 3, "01": 4, "-1": 5, "4294967295": 6})

    assert [key for key, _ in entries] == ["2", "10", "b", "01", "-1", "4294967295"]


@pytest.mark.parametrize(
    ("key", "index"), [("0", 0), ("12", 12), ("01", None), ("-1", None), ("1.0", None), ("", None)]
)
def test_array_indexes(key: str, index: int | None) -> None:
    assert array_index(key) == index


def test_text_is_counted_in_utf16_units() -> None:
    assert utf16_length("a😀é") == 4
    assert utf16_units("a😀") == ["a", "\ud83d", "\ude00"]
    assert utf16_unit("a😀", 2) == "\ude00"
    assert utf16_unit("a😀", 3) is None


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (UNDEFINED, "undefined"),
        (None, "null"),
        (True, "boolean"),
        (1, "number"),
        ("", "string"),
        ([], "array"),
        ({}, "object"),
    ],
)
def test_types_have_javascripts_names(value: Any, name: str) -> None:
    assert type_name(value) == name
