import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_worker.mapping import UNDEFINED, encode_body
from segue_worker.mapping.json_text import _written, decode, encode

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
_KEYS = st.text(max_size=3) | st.integers(0, 20).map(str)
_JSON = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4), max_leaves=20
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"a": 1.0, "b": [2.0, 3.5]}, '{"a":1,"b":[2,3.5]}'),
        ({"a": 1e21, "b": 1e-7, "c": 1e16, "d": -0.0}, '{"a":1e+21,"b":1e-7,"c":10000000000000000,"d":0}'),
        ({"b": 1, "10": 2, "2": {"x": 0, "1": 0}}, '{"2":{"1":0,"x":0},"10":2,"b":1}'),
        ({"a": 'é\u2028/"\\\n\x1f\x7f'}, '{"a":"é\u2028/\\"\\\\\\n\\u001f\x7f"}'),
        ({"a": "\ud83d" + "\ude00"}, '{"a":"\U0001f600"}'),
        ({"a": "x\ud800y"}, '{"a":"x\\ud800y"}'),
        ({"a": 10**400, "b": 2**64}, '{"a":null,"b":18446744073709552000}'),
        ({"version": "1.0", "id": "3e8", "n": 10}, '{"version":"1.0","id":"3e8","n":10}'),
        ({}, "{}"),
        ({"a": {}, "b": []}, '{"a":{},"b":[]}'),
    ],
)
def test_bodies_are_serialised_as_javascript_does(body: dict[str, Any], expected: str) -> None:
    assert encode_body(body) == expected.encode()


def test_undefined_members_vanish_and_elements_are_null() -> None:
    assert encode({"a": UNDEFINED, "b": [UNDEFINED, 1]}) == '{"b":[null,1]}'


@given(st.dictionaries(_KEYS, _JSON, max_size=6))
def test_the_short_cut_never_shows(body: dict[str, Any]) -> None:
    assert encode_body(body) == _written(body).encode()


@given(st.dictionaries(_KEYS, st.text() | st.integers(-(2**53), 2**53) | st.booleans() | st.none(), max_size=6))
def test_what_is_written_reads_back(body: dict[str, Any]) -> None:
    assert json.loads(encode_body(body)) == body


def test_depth_does_not_matter() -> None:
    body: dict[str, Any] = {}
    for _ in range(10_000):
        body = {"a": body}

    assert encode_body(body) == b'{"a":' * 10_000 + b"{}" + b"}" * 10_000


@pytest.mark.parametrize("text", ["NaN", "Infinity", "[1,]", "{'a':1}", "\ufeff1", "\u00a01", "01", "", "1 2", '"\n"'])
def test_only_strict_json_is_decoded(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(text)


def test_numbers_are_decoded_as_javascript_does() -> None:
    assert decode("[1, 1.0, 12345678901234567890, " + "9" * 5000 + "]") == [1, 1.0, 12345678901234567168, float("inf")]
