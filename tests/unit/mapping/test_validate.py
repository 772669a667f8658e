from typing import Any

import pytest

from segue_worker.mapping import MappingError, compile_mapping


def test_all_problems_are_named_together() -> None:
    mapping = {
        "a": {"@path": 1},
        "b": {"c": {"@if": {"exists": {"@nope": 1}}}},
        "d": {"@replace": {"pattern": "", "ignorecase": None}},
    }

    with pytest.raises(MappingError) as failure:
        compile_mapping(mapping)
    assert failure.value.problems == (
        "/a/@path should be a string or a mapping directive but it is a number.",
        "/b/c/@if/exists has an invalid directive: @nope.",
        "/d/@replace/pattern should be a string of length 1 or greater.",
        '/d/@replace should have field "value" but it doesn\'t.',
        "/d/@replace/ignorecase should be a boolean but it is a null.",
    )


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"@path": "$.a", "x": 1}, "/v should only have one @-prefixed key but it has 2 keys."),
        ({"@path": "$.a", "@case": {}}, "/v should only have one @-prefixed key but it has 2 keys."),
        ({"@template": ["x"]}, "/v/@template should be a string or a mapping directive but it is an array."),
        ({"@arrayPath": "x"}, "/v/@arrayPath should be an array but it is a string."),
        ({"@arrayPath": []}, "/v/@arrayPath should be a string or a mapping directive but it is an undefined."),
        ({"@json": {"mode": "zip", "value": 1}}, '/v/@json/mode should be one of encode, decode but it is "zip".'),
        ({"@merge": {"objects": {}}}, "/v/@merge/objects should be an array but it is an object."),
        ({"@merge": {"objects": ["x"]}}, "/ should be a object or a mapping directive but it is a string."),
        (
            {"@transform": {"apply": 1, "mapping": {}}},
            "/v/@transform/apply should be a object or a mapping directive but it is a number.",
        ),
        ({"@case": {"@path": "x"}}, "/v/@case should be an object but it is a directive."),
        ({"@liquid": None}, "/v/@liquid should be a string but it is a null."),
        ({"@flatten": {"separator": 1}}, '/v/@flatten should have field "value" but it doesn\'t.'),
        ({"@if": {"exists": 1, "other": {"@nope": 1}}}, "/v/@if/other has an invalid directive: @nope."),
    ],
)
def test_problems_are_segments(value: Any, problem: str) -> None:
    with pytest.raises(MappingError) as failure:
        compile_mapping({"v": value})
    assert problem in failure.value.problems


@pytest.mark.parametrize("root", [{}, 5, {"@path": "x"}, {"@merge": {}, "@path": {}}])
def test_a_faulty_root_directive_is_refused(root: Any) -> None:
    with pytest.raises(MappingError, match="root"):
        compile_mapping({"__segment_internal_directive": root, "a": 1})


def test_nested_options_are_checked_in_linear_time() -> None:
    mapping: dict[str, Any] = {"@path": "$.a"}
    for _ in range(30):
        mapping = {"@transform": {"apply": mapping, "mapping": {"@path": 1}}}

    with pytest.raises(MappingError) as failure:
        compile_mapping({"v": mapping})
    assert len(failure.value.problems) == 30
