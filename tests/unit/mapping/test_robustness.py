import copy
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_worker.mapping import (
    MappingError,
    PayloadError,
    compile_destination_mapping,
    compile_mapping,
    compile_trigger,
    encode_body,
)
from segue_worker.mapping.limits import MAX_MAPPING_DEPTH, MAX_MAPPING_NODES, MAX_MAPPING_TEXT

_KEYS = st.sampled_from(
    ["a", "b", "traits", "properties", "context", "email", "userId", "type", "event", "1", "mailingLists"]
)
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(), max_size=5)
    | st.sampled_from(
        ["identify", "track", "{{a}}", "{{{a}}}", "a.b", "$.a", "2024-01-01", "a@example.com", "\ud800", "[1", 10**400]
    )
)
_JSON = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4), max_leaves=25
)
_EVENTS = st.dictionaries(_KEYS, _JSON, max_size=6)

_ALL_DIRECTIVES = {
    "path": {"@path": {"@path": "$.a"}},
    "template": {"@template": {"@if": {"exists": {"@path": "$.a"}, "then": {"@path": "$.a"}, "else": "{{b}}"}}},
    "case": {"@case": {"operator": "upper", "value": {"@path": "$.a"}}},
    "replace": {"@replace": {"pattern": "a", "replacement": "$`$'$&", "ignorecase": True, "value": {"@path": "$.a"}}},
    "array": {"@arrayPath": ["$.a", {"x": {"@path": "$.b"}, "t": {"@template": "{{.}}{{b}}"}}]},
    "encode": {"@json": {"mode": "encode", "value": {"@path": ""}}},
    "decode": {"@json": {"mode": "decode", "value": {"@path": "$.a"}}},
    "flatten": {"@flatten": {"separator": ".", "value": {"@path": ""}}},
    "merge": {"@merge": {"direction": "left", "objects": [{"@path": "$.a"}, {"@path": "$.b"}]}},
    "transform": {"@transform": {"apply": {"l": [{"@path": ""}, {"@path": "$.a"}]}, "mapping": {"@path": "l[0].a"}}},
    "nulls": {"@excludeWhenNull": {"@path": ""}},
    "blank": {"@if": {"blank": {"@path": "$.a"}, "then": {"@path": "$.b"}}},
    "liquid": {
        "@liquid": "{{ a | json }}{{ b | date: '%c' }}{% if a > b %}{{ a | join | truncate: 3 | url_encode }}{% endif %}"
    },
}


def _nested(levels: int, *, in_lists: bool = False) -> Any:
    value: Any = {}
    for _ in range(levels):
        value = [value] if in_lists else {"a": value}
    return value


_TRANSFORMS = [compile_mapping({"v": directive}) for directive in _ALL_DIRECTIVES.values()]


@given(event=_EVENTS)
def test_no_event_does_worse_than_an_error_of_ours(event: dict[str, Any]) -> None:
    before = copy.deepcopy(event)
    for transform in _TRANSFORMS:
        try:
            encode_body(transform(event))
        except MappingError as error:
            assert error.problems  # noqa: PT017 - either outcome is right
    assert event == before


@given(event=_EVENTS)
def test_no_event_does_worse_than_break_the_payload_rules(event: dict[str, Any]) -> None:
    before = copy.deepcopy(event)
    fields = {"mailingLists": {"@path": "$.a"}, "email": {"@path": "$.b"}}
    for action, own in (
        ("createOrUpdateContact", {"createdAt": {"@path": "$.a"}}),
        ("sendEvent", {"contactProperties": {"@path": "$.a"}}),
    ):
        compiled = compile_destination_mapping(
            name="m", action=action, trigger='userId != "x"', enabled=True, defaults=True, fields={**fields, **own}
        )
        try:
            request = compiled.render(event)
        except PayloadError as error:
            assert compiled.explain(event) == str(error)  # noqa: PT017 - either outcome is right
        else:
            assert (request is None) is (compiled.explain(event) is not None)
            if request is not None:
                encode_body(request.body)
    assert event == before


@pytest.mark.parametrize("in_lists", [False, True])
@pytest.mark.parametrize("name", _ALL_DIRECTIVES)
def test_depth_exhausts_nothing(name: str, in_lists: bool) -> None:  # noqa: FBT001 - a parameter of the test
    event = {"a": _nested(10_000, in_lists=in_lists)}
    try:
        result = compile_mapping({"v": _ALL_DIRECTIVES[name]})(event)
    except MappingError as error:
        assert error.problems  # noqa: PT017 - either outcome is right
    else:
        encode_body(result)


def test_deep_events_pass_through_a_destinations_mapping() -> None:
    compiled = compile_destination_mapping(
        name="m", action="sendEvent", trigger="properties.a.a != null", enabled=True, defaults=True, fields={}
    )

    request = compiled.render({"type": "track", "userId": "u", "event": "E", "properties": _nested(10_000)})

    assert request is not None
    assert len(encode_body(request.body)) > 60_000


@pytest.mark.parametrize(
    "mapping",
    [
        _nested(10_000),
        _nested(MAX_MAPPING_DEPTH + 1),
        {"a": "x" * 10_000_000},
        {"a": [1] * (MAX_MAPPING_NODES + 1)},
        {str(index): [1, 2] for index in range(MAX_MAPPING_NODES // 2)},
        {"a": ["x" * (MAX_MAPPING_TEXT // 2)] * 3},
        {"a": "\ud800"},
        {"\udfff": 1},
        {"a": {1: 2}},
        {"a": float("nan")},
        {"a": {1, 2}},
        [],
        None,
        "text",
    ],
    ids=lambda mapping: type(mapping).__name__,
)
def test_mappings_that_are_too_much_or_no_json_are_refused(mapping: Any) -> None:
    with pytest.raises(MappingError):
        compile_mapping(mapping)


def _repeated(inner: Any, times: int, wrap: Any) -> Any:
    for _ in range(times):
        inner = wrap(inner)
    return inner


@pytest.mark.parametrize(
    "mapping",
    [
        _repeated(
            {"a": {"@path": "$.a"}},
            8,
            lambda apply: {"@transform": {"apply": apply, "mapping": {"a": {"@template": "{{a}}" * 10}}}},
        ),
        _repeated(
            {"a": {"@path": "$.a"}},
            20,
            lambda apply: {"@transform": {"apply": apply, "mapping": {"a": [{"@path": "$.a"}] * 2}}},
        ),
        _repeated(
            {"@path": "$.a"},
            12,
            lambda value: {"v": {"@replace": {"pattern": "a", "replacement": "$&$&$&$&", "value": value}}}["v"],
        ),
        {"v": {"@replace": {"pattern": "a", "replacement": "$`$'", "value": {"@path": "$.a"}}}},
        {"v": [{"@path": ""}] * 1000},
    ],
)
def test_what_grows_without_bound_is_stopped(mapping: Any) -> None:
    with pytest.raises(MappingError, match="makes too much of this event"):
        compile_mapping({"v": mapping})({"a": "a" * 5000})


def test_templates_are_scanned_once() -> None:
    transform = compile_mapping({"v": {"@template": {"@path": "$.t"}}})

    for text in ("{" * 32_000, "{{a" * 10_000, "{{{a}" * 6000):
        assert transform({"t": text})["v"].startswith("{")


_IMPORT_ALONE = """
import importlib.util, sys, types
# The error tree's root lives in the producer's package, whose own imports are not what is asked about here.
package = types.ModuleType("segue_producer")
package.__path__ = importlib.util.find_spec("segue_producer").submodule_search_locations
sys.modules["segue_producer"] = package
import segue_worker.mapping
print([name for name in ("celery", "redis", "httpx") if name in sys.modules])
"""


def test_the_package_imports_no_server_library() -> None:
    found = subprocess.run([sys.executable, "-c", _IMPORT_ALONE], check=True, capture_output=True, text=True)

    assert found.stdout.strip() == "[]"


def test_huge_integers_are_no_obstacle() -> None:
    event = {"type": "identify", "userId": 10**5000, "a": 10**5000, "traits": {"x": -(10**5000)}}
    compiled = compile_destination_mapping(
        name="m", action="createOrUpdateContact", trigger="traits.x < 0", enabled=True, defaults=True, fields={}
    )

    request = compiled.render(event)

    assert request is not None
    assert encode_body(request.body) == b'{"x":null,"source":"Segment","userId":"Infinity","mailingLists":{}}'
    assert compile_trigger('type = "track" and userId = "x"').explain({"type": "track", "userId": 10**5000})
    for directive in _ALL_DIRECTIVES.values():
        try:
            encode_body(compile_mapping({"v": directive})(event))
        except MappingError as error:
            assert error.problems  # noqa: PT017 - either outcome is right


@given(event=_JSON)
def test_triggers_answer_any_value(event: Any) -> None:
    trigger = compile_trigger(
        'properties.a.\\1 != null and contains(traits.email, "@") or type = "track"'.replace(" and ", " or ")
    )

    assert (trigger.explain(event) is None) is trigger(event)
