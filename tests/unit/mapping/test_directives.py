from typing import Any

import pytest

from segue_worker.mapping import UNDEFINED, MappingError, compile_mapping

_PAYLOAD: dict[str, Any] = {
    "name": "Ada",
    "smile": "\U0001f600",
    "empty": "",
    "zero": 0,
    "nul": None,
    "no": False,
    "price": 12.5,
    "items": [{"id": 1, "tags": ["a", None]}, {"id": 2}, None, 0, ""],
    "nested": {"a": {"b": "deep"}, "n": None, "list": [1, {"x": None}], "blank": {}},
    "json": '{"k":[1,2.0]}',
}


def _path(path: str) -> dict[str, str]:
    return {"@path": path}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # @path
        (_path("$.name"), "Ada"),
        (_path("name.length"), 3),
        ({"@path": {"@template": "na{{missing}}me"}}, "Ada"),
        # @template
        ({"@template": "{{name}} {{{price}}} {{nul}}{{no}}"}, "Ada 12.5 false"),
        ({"@template": "{{$.name}}|{{}}|{{ nested }}"}, "|{{}}|[object Object]"),
        ({"@template": "{{{{name}}"}, ""),
        ({"@template": "{{name}}}"}, "Ada}"),
        ({"@template": "no placeholder"}, "no placeholder"),
        ({"@template": "{{smile.0}}{{smile.1}}"}, "\U0001f600"),
        # @literal
        ({"@literal": {"a": _path("$.name"), "b": [_path("$.missing")]}}, {"a": "Ada", "b": [None]}),
        # @if
        ({"@if": {"exists": _path("$.empty"), "then": "yes", "else": "no"}}, "yes"),
        ({"@if": {"exists": _path("$.nul"), "then": "yes", "else": "no"}}, "no"),
        ({"@if": {"blank": _path("$.zero"), "then": "filled", "else": "blank"}}, "blank"),
        ({"@if": {"blank": _path("$.items"), "then": "filled"}}, "filled"),
        ({"@if": {"blank": [[], [None]], "then": "filled", "else": "blank"}}, "filled"),
        ({"@if": {"blank": [[None]], "then": "filled", "else": "blank"}}, "blank"),
        ({"@if": {"exists": None, "blank": "x", "then": 1, "else": 2}}, 2),
        ({"@if": {"exists": _path("$.name"), "then": None}}, None),
        # @case
        ({"@case": {"operator": "upper", "value": "straße"}}, "STRASSE"),
        ({"@case": {"operator": "lower", "value": "ΟΔΟΣ"}}, "οδος"),
        ({"@case": {"operator": "sideways", "value": _path("$.price")}}, 12.5),
        # @replace
        ({"@replace": {"pattern": ".", "replacement": "-", "value": "a.b.c"}}, "a-b-c"),
        ({"@replace": {"pattern": "b", "value": "abcb", "global": False}}, "acb"),
        ({"@replace": {"pattern": "B", "replacement": "[$&$$]", "value": "abc", "ignorecase": True}}, "a[b$]c"),
        ({"@replace": {"pattern": "b", "replacement": "<$`|$'>", "value": "abc"}}, "a<a|c>c"),
        ({"@replace": {"pattern": "a", "replacement": "b", "pattern2": "b", "replacement2": "c", "value": "a"}}, "c"),
        ({"@replace": {"pattern": "2", "replacement": "3", "value": _path("$.price")}}, "13.5"),
        ({"@replace": {"pattern": "2", "value": _path("$.nested")}}, ""),
        ({"@replace": {"pattern": "k", "replacement": "x", "ignorecase": True, "value": "K\u212a"}}, "x\u212a"),
        (
            {"@replace": {"pattern": "\u03c3", "replacement": "s", "ignorecase": True, "value": "\u03a3\u03c3\u03c2"}},
            "sss",
        ),
        # @arrayPath
        ({"@arrayPath": ["$.items", {"@path": "$.id"}]}, [1, 2, None, 0, ""]),
        ({"@arrayPath": ["$.nested.a", {"v": _path("b")}]}, [{"v": "deep"}]),
        ({"@arrayPath": ["$.name", {"v": _path("x")}]}, "Ada"),
        ({"@arrayPath": ["$.nested.list"]}, [1, {"x": None}]),
        # @json
        ({"@json": {"mode": "encode", "value": {"a": 1.0, "u": _path("$.missing"), "2": 0}}}, '{"2":0,"a":1}'),
        ({"@json": {"mode": "decode", "value": _path("$.json")}}, {"k": [1, 2.0]}),
        ({"@json": {"mode": "decode", "value": "{bad"}}, "{bad"),
        # @flatten
        (
            {"@flatten": {"separator": ".", "value": _path("$.nested")}},
            {"a.b": "deep", "n": None, "list.0": 1, "list.1.x": None},
        ),
        ({"@flatten": {"separator": "_", "value": {"a": [1], "b": {}}, "omitArrays": True}}, {"a": [1]}),
        ({"@flatten": {"separator": "_", "value": 5}}, {"": 5}),
        # @merge
        ({"@merge": {"direction": "right", "objects": [{"a": 1, "b": 1}, {"b": 2}]}}, {"a": 1, "b": 2}),
        ({"@merge": {"direction": "left", "objects": [{"a": 1, "b": 1}, {"b": 2}]}}, {"b": 1, "a": 1}),
        ({"@merge": {"direction": "right", "objects": [{"a": 1}, {"a": _path("$.missing")}]}}, {}),
        ({"@merge": {"direction": "right", "objects": [{"@literal": "ab"}, _path("$.zero")]}}, {"0": "a", "1": "b"}),
        # @transform
        (
            {"@transform": {"apply": {"x": _path("$.name")}, "mapping": {"y": _path("$.x"), "z": _path("$.name")}}},
            {"y": "Ada"},
        ),
        # @excludeWhenNull
        ({"@excludeWhenNull": _path("$.nested")}, {"a": {"b": "deep"}, "list": [1, {"x": None}], "blank": {}}),
        # values that are no directives
        ("{{name}}", "{{name}}"),
        ({"_metadata": {"x": 1}, "@path": "$.name"}, "Ada"),
        ([{"@path": "$.name", "plain": 1}], [{"@path": "$.name", "plain": 1}]),
        ([{"@path": "$.name", "@template": "x"}], ["Ada"]),
    ],
)
def test_directives(value: Any, expected: Any) -> None:
    result = compile_mapping({"v": value})(_PAYLOAD)

    assert result == {"v": expected}
    assert type(result["v"]) is type(expected)


@pytest.mark.parametrize(
    "value",
    [
        _path("$.missing"),
        {"@if": {"exists": _path("$.missing"), "then": 1}},
        {"@if": {"exists": _path("$.missing"), "then": 1, "else": 0}},
        {"@case": {"operator": "lower", "value": ""}},
        {"@replace": {"pattern": "a", "value": ""}},
        {"@json": {"mode": "Encode", "value": {"a": 1}}},
        {"@json": {"mode": "encode", "value": _path("$.missing")}},
        {"@excludeWhenNull": _path("$.nul")},
    ],
)
def test_directives_may_yield_nothing(value: Any) -> None:
    assert compile_mapping({"v": value})(_PAYLOAD) == {}
    assert compile_mapping(value)(_PAYLOAD) is UNDEFINED


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"@path": _path("$.price")}, "@path: expected string, got number"),
        ({"@template": _path("$.missing")}, "@template: expected string, got undefined"),
        ({"@if": {"exists": False, "blank": ""}}, '@if requires an "exists" key or a "blank" key'),
        ({"@case": {"operator": "title", "value": "x"}}, 'operator key should have a value of "lower" or "upper"'),
        ({"@merge": {"objects": []}}, '@merge requires a "direction" key'),
        (
            {"@replace": {"pattern": "a", "pattern2": "12345678901", "value": "a"}},
            '@replace requires a "pattern" less than 10 characters',
        ),
        ([{"@nope": 1}], "@nope is not a valid directive, got undefined"),
        (
            {
                "@transform": {
                    "apply": _path("$.name"),
                    "mapping": {"@transform": {"apply": {"a": 1}, "mapping": {"b": 1}}},
                }
            },
            "data must be an object, got string",
        ),
    ],
)
def test_directives_fail_in_segments_words(value: Any, message: str) -> None:
    transform = compile_mapping({"v": value})

    with pytest.raises(MappingError) as failure:
        transform(_PAYLOAD)
    assert failure.value.problems == (message,)


def test_no_payload_is_an_empty_one_and_others_are_refused() -> None:
    transform = compile_mapping({"v": _path("$.a")})

    assert transform() == {}
    for payload, kind in ((None, "null"), ("x", "string"), ([], "array"), (1, "number")):
        with pytest.raises(MappingError, match=f"data must be an object, got {kind}"):
            transform(payload)


def test_the_root_directive_takes_the_other_keys_as_its_mapping() -> None:
    mapping = {
        "__segment_internal_directive": {"@transform": {"apply": {"x": _path("$.name")}}},
        "y": _path("$.x"),
    }

    assert compile_mapping(mapping)(_PAYLOAD) == {"y": "Ada"}


def test_containers_written_in_the_mapping_are_made_anew_for_each_event() -> None:
    transform = compile_mapping({"v": {"list": [1], "object": {}}})
    first, second = transform({}), transform({})
    first["v"]["list"].append(2)

    assert second == {"v": {"list": [1], "object": {}}}
