from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_worker.mapping.path import compile_lookup, look_up, split_path, without_root
from segue_worker.mapping.undefined import UNDEFINED

_DATA = {
    "a": {"b": {"c": {"d": "deep"}}, "": "empty key"},
    "list": [1, {"x": "y"}],
    "text": "h😀",
    "zero": 0,
    "no": False,
    "empty": "",
    "nul": None,
    "one": 1,
    "none": {},
    "length": 7,
}


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("", ()),
        (".", ()),
        ("..", ()),
        ("a.b", ("a", "b")),
        ("a[0].b", ("a", "0", "b")),
        ("a['b']", ("a", "b")),
        ('["a"]["b"]', ("a", "b")),
        ("a['b.c']", ("a", "b", "c")),
        ("a[0]b", ("a", "0", "b")),
        ("a[0", ("a", "0")),
        ("a[b]", ("a[b]",)),
        ("a[-1]", ("a[-1",)),
        ("a[]", ("a[]",)),
        (" a . b ", (" a ", " b ")),
        ("it's", ("its",)),
    ],
)
def test_paths_are_split(path: str, keys: tuple[str, ...]) -> None:
    assert split_path(path) == keys


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.b.c.d", "deep"),
        ("a.b.missing", UNDEFINED),
        ("missing.x.y", UNDEFINED),
        ("list.1.x", "y"),
        ("list.length", 2),
        ("list.2", UNDEFINED),
        ("list.01", UNDEFINED),
        ("list.map", UNDEFINED),
        ("text.length", 3),
        ("text.0", "h"),
        ("text.1", "\ud83d"),
        ("text.9", UNDEFINED),
        ("zero.x", 0),
        ("no.x.y", False),
        ("empty.x", ""),
        ("nul.x", None),
        ("one.x", UNDEFINED),
        ("none.x", UNDEFINED),
        ("length", 7),
        ("a.constructor", UNDEFINED),
    ],
)
def test_lookups(path: str, value: Any) -> None:
    found = compile_lookup(path)(_DATA)

    assert found is value or found == value
    assert type(found) is type(value)


def test_the_first_root_is_dropped_wherever_it_stands() -> None:
    assert [without_root(path) for path in ("$.a", "a$.b", "$.a.$.b", "$", "$['a']")] == [
        "a",
        "ab",
        "a.$.b",
        "$",
        "$['a']",
    ]


@given(
    st.lists(st.sampled_from([*_DATA, "b", "c", "d", "0", "1", "x"]), max_size=6).map(".".join),
    st.sampled_from([_DATA, [_DATA], "t", None, 0, 3]),
)
def test_compiled_and_late_lookups_agree(path: str, data: Any) -> None:
    assert compile_lookup(path)(data) == look_up(data, path)
