"""Segment's destination filters: put into triggers exactly, or named."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from segue_worker.cli import segue
from segue_worker.config import load_config
from segue_worker.mapping import compile_trigger
from segue_worker.observing.preview import preview
from segue_worker.segment_import import Conversion, Export, convert, read_export
from segue_worker.segment_import.filter_language import UnreadableError
from segue_worker.segment_import.filters import without
from tests.unit.segment_import.exports import HCL, TRACK_FIELDS, destination, in_terraform, page, subscription

TRACK, IDENTIFY = 'type = "track"', 'type = "identify"'
LOOPS = "fP7qoQw2HTWt9WdMr718gn"


def a_filter(condition: str, *does: str, **changes: Any) -> dict[str, Any]:
    """A destination filter as the Public API spells it."""
    actions = [
        {"type": kind, "fields": {"properties": ["card"]}, "path": None, "percent": 0.1} for kind in does or ["DROP"]
    ]
    return {
        "id": f"id of {condition} {does}",
        "sourceId": "rh5BDZp6QDHvXFCkibm1pR",
        "destinationId": LOOPS,
        "if": condition,
        "actions": actions,
        "title": "No tests",
        "description": "",
        "enabled": True,
        "createdAt": "2026-01-02T03:04:05.000Z",
        **changes,
    }


def filters(*listed: dict[str, Any], total: int | None = None) -> str:
    """An answer to list filters from destination."""
    pagination = {"current": "MA==", "totalEntries": len(listed) if total is None else total}
    return json.dumps({"data": {"filters": listed, "pagination": pagination}})


def a_newer_filter(condition: str, **changes: Any) -> dict[str, Any]:
    """What the Public API answers at /filters."""
    fields = {"id": "n1", "workspaceId": "w", "integrationId": LOOPS, "name": "No tests", "drop": True, "enabled": True}
    return {**fields, "if": condition, "createdAt": "2026-01-02T03:04:05.000Z", **changes}


def a_function(**changes: Any) -> dict[str, Any]:
    """An instance of an insert function as the Public API spells it."""
    fields = {"id": "f1", "name": "Mask", "classId": "x", "integrationId": LOOPS, "enabled": True, "settings": {}}
    return {**fields, **changes}


def converted(*texts: str) -> Conversion:
    export = Export()
    for text in texts:
        read_export(text, export)
    return convert(export)


BOTH = page(subscription(), subscription("Events", actionSlug="sendEvent", trigger=TRACK, settings=TRACK_FIELDS))


@pytest.mark.parametrize(
    ("trigger", "condition", "expected"),
    [
        (TRACK, "event = 'Test'", f'{TRACK} and event != "Test"'),
        (TRACK, "type = 'track' and event = 'Test'", f'{TRACK} and event != "Test"'),
        (IDENTIFY, "type = 'track' and event = 'Test'", IDENTIFY),
        (IDENTIFY, "match(event, 'Test *')", IDENTIFY),
        (TRACK, 'match( event, "Test *" )', f'{TRACK} and !match(event, "Test *")'),
        (
            TRACK,
            "contains(event, 'test') or match(event, '*!')",
            f'{TRACK} and !contains(event, "test") and !match(event, "*!")',
        ),
        (TRACK, "!(event = 'A' or event = 'B')", f'{TRACK} and (event = "A" or event = "B")'),
        (TRACK, "!(event in ['A', 'B'])", f'{TRACK} and (event = "A" or event = "B")'),
        (TRACK, "!contains(properties.plan, 'pro')", f'{TRACK} and contains(properties.plan, "pro")'),
        (TRACK, "!(context.externalIds != null)", f"{TRACK} and context.externalIds != null"),
        (TRACK, "!(properties.seats >= 5)", f"{TRACK} and properties.seats >= 5"),
        (TRACK, "!properties.real", f"{TRACK} and properties.real = true"),
        (TRACK, "properties.a = 'x' and traits.b = null", f'{TRACK} and (properties.a != "x" or traits.b != null)'),
        (f'{TRACK} and event = "A"', "event != 'A'", f'{TRACK} and event = "A"'),
        (f"{TRACK} or {IDENTIFY}", "userId = null", f"({TRACK} or {IDENTIFY}) and userId != null"),
        (TRACK, "all", None),
        (TRACK, "type = 'track'", None),
        (TRACK, "type != 'identify'", None),
        (f'{TRACK} and event = "A"', "match(event, '*A*')", None),
    ],
)
def test_what_a_filter_drops_is_left_out_of_the_trigger(trigger: str, condition: str, expected: str | None) -> None:
    assert without(trigger, condition) == expected


@pytest.mark.parametrize(
    ("trigger", "condition", "said"),
    [
        (TRACK, "properties.seats > 5", "properties.seats is missing or no number, and Segment sends them"),
        (TRACK, "properties.test = true", "properties.test is missing or no true or false"),
        (TRACK, "contains(properties.plan, 'x')", "properties.plan is missing or no text"),
        (TRACK, "match(event, 'a*b')", "one * at an end"),
        (TRACK, "match(event, 'a?')", "one * at an end"),
        (TRACK, "length(userId) > 0", "length(), which triggers do not have"),
        (TRACK, "lowercase(event) = 'a'", "lowercase(), which triggers do not have"),
        (TRACK, "typeof(userId) = 'null'", "typeof(), which triggers do not have"),
        (TRACK, "'a' in properties.list", "cannot be read"),
        (TRACK, "properties.a = 'x' and contains(event, 'y')", "within parentheses"),
        (TRACK, "type = 'a' or type = 'b' and type = 'c'", "mixes and with or"),
        (TRACK, "anonymousId = 'x'", "cannot look at anonymousId"),
        (TRACK, "properties.product\\ 1 = 'x'", "cannot be read"),
        (TRACK, "properties.a = 'say \"x\"'", "quotes"),
        (TRACK, "properties.a = ''", "empty"),
        (TRACK, 'userId = oops"', "cannot be read"),
        (TRACK, "", "cut short"),
        (TRACK, "(" * 1000, "nested too deep"),
        (TRACK, "!" * 1000 + "event = 'a'", "nested too deep"),
        (TRACK, " and ".join(f"(event = '{n}' or userId = '{n}')" for n in range(1000)), "too long"),
        (TRACK, " or ".join(f"event = '{n}'" for n in range(1000)), "a trigger cannot say it: the trigger has"),
        (f'{TRACK} or contains(event, "x")', "userId = null", "cannot be put into parentheses"),
        (TRACK, "event = null", "a trigger cannot say it"),
    ],
)  # fmt: skip
def test_what_no_trigger_says_exactly_is_named(trigger: str, condition: str, said: str) -> None:
    with pytest.raises(UnreadableError, match=re.escape(said)):
        without(trigger, condition)


Condition = tuple[Any, ...]
"""A condition as a tree: `("and", …)`, `("!", c)`, or `(path, sign, value)`, `("contains", path, value)` and so on."""
PATHS = ["type", "event", "userId", "properties.a", "traits.b"]
ATOMS = st.one_of(
    st.tuples(
        st.sampled_from(PATHS), st.sampled_from(["=", "!="]), st.sampled_from(["track", "identify", "A", "AB", 5, 5.5, True, False, None])
    ),
    st.tuples(st.sampled_from(PATHS), st.sampled_from(["<", ">="]), st.sampled_from([5, 2.5])),
    st.tuples(st.sampled_from(["contains", "starts", "ends"]), st.sampled_from(PATHS), st.sampled_from(["A", "AB"])),
)  # fmt: skip
CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(st.just("!"), inner),
        st.tuples(st.sampled_from(["and", "or"]), inner, inner),
        st.tuples(st.sampled_from(["and", "or"]), inner, inner, inner),
    ),
    max_leaves=5,
)
VALUES: st.SearchStrategy[Any] = st.sampled_from(
    ["A", "AB", "BA", "", 5, 5.5, 2, True, False, None, [], {}, "5", "true"]
)
EVENTS = st.one_of(
    st.fixed_dictionaries({"type": st.just("track"), "event": st.sampled_from(["A", "AB", "BAB", "5"])}),
    st.fixed_dictionaries({"type": st.sampled_from(["identify", "page"])}),
).flatmap(
    lambda event: st.builds(
        lambda rest, a, b: {**event, **rest, "properties": a, "traits": b},
        st.fixed_dictionaries({}, optional={"userId": st.sampled_from(["A", "AB", None])}),
        st.fixed_dictionaries({}, optional={"a": VALUES}),
        st.fixed_dictionaries({}, optional={"b": VALUES}),
    )
)


def spelled(condition: Condition) -> str:
    match condition:
        case ("!", inner):
            return f"!({spelled(inner)})"
        case ("and" | "or" as word, *members):
            return f" {word} ".join(f"( {spelled(member)} )" for member in members)
        case ("contains", path, value):
            return f"contains({path}, '{value}')"
        case ("starts" | "ends" as end, path, value):
            return f"match({path}, '{f'{value}*' if end == 'starts' else f'*{value}'}')"
        case (path, sign, value):
            return f"{path} {sign} {json.dumps(value)}"
    raise AssertionError(condition)


def holds(condition: Condition, event: dict[str, Any]) -> bool:
    """As Segment's filters answer: strict in types, and what is missing is null."""
    match condition:
        case ("!", inner):
            return not holds(inner, event)
        case ("and", *members):
            return all(holds(member, event) for member in members)
        case ("or", *members):
            return any(holds(member, event) for member in members)
        case ("contains" | "starts" | "ends" as test, path, value):
            found = at(path, event)
            tests = {"contains": str.__contains__, "starts": str.startswith, "ends": str.endswith}
            return isinstance(found, str) and bool(tests[test](found, value))
        case (path, "=" | "!=" as sign, value):
            return bool(same(at(path, event), value) == (sign == "="))
        case (path, sign, value):
            found = at(path, event)
            is_number = isinstance(found, (int, float)) and not isinstance(found, bool)
            return is_number and bool(found < value if sign == "<" else found >= value)
    raise AssertionError(condition)


def at(path: str, event: dict[str, Any]) -> Any:
    value: Any = event
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def same(one: Any, other: Any) -> bool:
    kinds = [
        float if isinstance(each, (int, float)) and not isinstance(each, bool) else type(each) for each in (one, other)
    ]
    return kinds[0] is kinds[1] and bool(one == other)


@settings(max_examples=1000)
@given(
    trigger=st.sampled_from([TRACK, IDENTIFY, f"{TRACK} or {IDENTIFY}", f'{TRACK} and event = "A"', f"{TRACK} and properties.a != null"]),
    condition=CONDITIONS,
    events=st.lists(EVENTS, min_size=1, max_size=8),
)  # fmt: skip
def test_a_trigger_lets_through_exactly_what_segment_would_send(
    trigger: str, condition: Condition, events: list[dict[str, Any]]
) -> None:
    try:
        new = without(trigger, spelled(condition))
    except UnreadableError:
        return
    for event in events:
        sent = compile_trigger(trigger)(event) and not holds(condition, event)
        assert (new is not None and compile_trigger(new)(event)) == sent, (new, event)


@given(st.text(st.sampled_from("ab.'\"=!()[],<> ortypeinmatch*5\\"), max_size=60) | st.text(max_size=40))
def test_any_text_is_read_or_named(condition: str) -> None:
    try:
        new = without(TRACK, condition)
    except UnreadableError:
        return
    assert new is None or compile_trigger(new)


def test_preview_of_an_import_sends_what_segment_sends(tmp_path: Path) -> None:
    (tmp_path / "subscriptions.json").write_text(BOTH)
    (tmp_path / "filters.json").write_text(
        filters(
            a_filter("event = 'Test' or match(event, 'Internal *')"),
            a_filter("type = 'identify' and userId = 'robot'", id="2"),
            a_filter("properties.x > 5", id="3", enabled=False),
            a_filter("properties.x > 5", id="4", enabled=False, destinationId="another"),
        )
    )
    files = [str(tmp_path / name) for name in ("subscriptions.json", "filters.json")]
    result = CliRunner().invoke(segue, ["import", *files, "--output", str(tmp_path / "segue.yaml")])
    assert (result.exit_code, result.stderr) == (
        0,
        "loops: 2 of 2 mappings carried over; put the API key into LOOPS_API_KEY\n",
    )
    loops = load_config(tmp_path / "segue.yaml", {"LOOPS_API_KEY": "k"}).destinations[0]

    def sent(**event: Any) -> list[str]:
        return [request.mapping for request in preview(event, loops.mappings).requests]

    assert sent(type="track", event="Signed Up", userId="u1") == ["Events"]
    assert sent(type="track", event="Test", userId="u1") == []
    assert sent(type="track", event="Internal Ping", userId="u1") == []
    assert sent(type="identify", userId="robot") == []
    assert sent(type="identify", userId="u1") == ["Contacts"]
    nested = preview({"type": "identify", "userId": "u1", "traits": {"a": [1]}}, loops.mappings).requests[0]
    assert nested.body["a"] == [1], "as Segment sends it"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (filters(a_filter("type = 'track'", "DROP_PROPERTIES")), 'destination filter "No tests" is not carried over: it removes'),
        (filters(a_filter("type = 'track'", "ALLOW_PROPERTIES")), "it removes properties"),
        (filters(a_filter("type = 'track'", "SAMPLE")), "it lets through only part of the events"),
        (filters(a_filter("type = 'track'", "FUTURE")), "it does FUTURE, which"),
        (filters(a_filter("type = 'track'", "DROP", "SAMPLE")), "it lets through only part of the events"),
        (filters(a_newer_filter("type = 'track'", drop=False, propertyDrops=["card"])), "it does PROPERTYDROPS, which"),
        (filters(a_newer_filter("type = 'track'", drop=False)), "actions is missing or not what Segment exports"),
        (filters(a_filter("x", enabled="maybe")), "enabled is missing or not what Segment exports"),
        (filters(a_filter("x", actions=[])), "actions is missing or not what Segment exports"),
        (json.dumps({"data": {"insertFunctionInstances": [a_function()]}}), 'insert function "Mask" is not carried over: it changes'),
        (json.dumps({"data": {"insertFunctionInstance": a_function()}}), "it changes events by code"),
        (json.dumps({"values": {"root_module": {"resources": [{"values": {"integration_id": LOOPS, "function_id": "x", "name": "Mask"}}]}}}),
         'insert function "Mask" is not carried over'),
    ],
)  # fmt: skip
def test_what_changes_or_thins_events_is_named_and_nothing_is_sent_until_somebody_looked(
    text: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_text(BOTH)
    (tmp_path / "b.json").write_text(text)
    result = CliRunner().invoke(segue, ["import", str(tmp_path / "a.json"), str(tmp_path / "b.json")])
    assert result.exit_code == 1
    assert said in result.stderr
    assert "enabled: false" in result.stdout
    assert (
        f"# Not enabled, because it would get what Segment withholds: {said.split(' is not', maxsplit=1)[0][:6]}"
        in result.stdout
        or said in result.stdout
    )


def test_a_function_of_the_source_counts_too() -> None:
    texts = BOTH, json.dumps(destination()), json.dumps(a_function(integrationId="rh5BDZp6QDHvXFCkibm1pR"))
    (problem,) = converted(*texts).problems
    assert problem.startswith('loops: insert function "Mask" is not carried over')


def test_filters_of_the_newer_kind_drop_too() -> None:
    conversion = converted(BOTH, filters(a_newer_filter("event = 'Test'")))
    assert conversion.problems == ()
    assert conversion.destinations[0].mappings[1].entry["trigger"] == f'{TRACK} and event != "Test"'


def test_only_the_mapping_is_left_out_that_a_filter_cannot_be_put_into() -> None:
    conversion = converted(BOTH, filters(a_filter("type = 'track' and properties.test = true")))
    (problem,) = conversion.problems
    assert problem.startswith('loops: mapping "Events": destination filter "No tests": a trigger would withhold')
    assert [mapping.carried for mapping in conversion.destinations[0].mappings] == [True, False]
    assert conversion.destinations[0].enabled


def test_a_mapping_that_a_filter_leaves_nothing_is_not_enabled() -> None:
    conversion = converted(BOTH, filters(a_filter("type = 'identify'")))
    assert conversion.problems == ()
    first, second = conversion.destinations[0].mappings
    assert (first.entry["enabled"], second.entry.get("enabled", True)) == (False, True)
    assert first.notes == ('Not enabled: destination filter "No tests" of Segment drops all of its events.',)


def test_filters_of_others_are_quiet_and_those_of_nobody_named() -> None:
    webhooks = destination(id="w", name="Webhooks", metadata={"slug": "actions-webhook", "name": "Webhooks (Actions)"})
    texts = json.dumps([webhooks, destination()]), BOTH
    assert converted(*texts, filters(a_filter("all", "SAMPLE", destinationId="w"))).problems == ()
    (problem,) = converted(*texts, filters(a_filter("all", destinationId="gone"))).problems
    assert problem == 'destination filter "No tests": left out, because the export does not have its destination'


def test_a_filter_of_a_source_counts_for_each_of_its_destinations() -> None:
    source = "rh5BDZp6QDHvXFCkibm1pR"
    webhook = {"slug": "actions-webhook", "name": "Webhooks"}
    named = [
        destination(id="a", name="A", sourceId=source),
        destination(id="b", name="B", sourceId=source),
        destination(id="w", name="Webhooks", sourceId=source, metadata=webhook),
    ]
    options = {"actionSlug": "sendEvent", "trigger": TRACK, "settings": TRACK_FIELDS}
    mappings = page(*(subscription(f"Events of {key}", destinationId=key, **options) for key in "ab"))
    conversion = converted(json.dumps(named), mappings, filters(a_newer_filter("event = 'Test'", integrationId=source)))
    triggers = [mapping.entry["trigger"] for each in conversion.destinations for mapping in each.mappings]
    assert triggers == [f'{TRACK} and event != "Test"'] * 2
    assert conversion.problems == ()


def test_pages_of_filters_that_are_missing_are_named() -> None:
    (problem,) = converted(BOTH, filters(a_filter("event = 'Test'"), total=3)).problems
    assert problem.startswith("the export has 1 of 3 filters")


def test_terraform_has_filters_and_functions_in_all_its_forms() -> None:
    spelled_in_snake_case = {
        **in_terraform(a_filter("event = 'Test'")),
        "actions": [{"type": "DROP", "fields": None, "path": None, "percent": None}],
    }
    state = json.dumps({"values": {"root_module": {"resources": [{"values": spelled_in_snake_case}]}}})
    assert [each.entry["trigger"] for each in converted(BOTH, state).destinations[0].mappings] == [
        IDENTIFY,
        f'{TRACK} and event != "Test"',
    ]
    hcl = f"""{HCL}
resource "segment_destination_filter" "tests" {{
  actions = [
    {{
      fields  = null
      path    = null
      percent = null
      type    = "DROP"
    }},
  ]
  destination_id = segment_destination.loops.id
  enabled        = true
  if             = "event = \\"Signed Up\\""
  source_id      = segment_source.backend.id
  title          = "Tests"
}}

resource "segment_insert_function_instance" "mask" {{
  integration_id = segment_destination.loops.id
  function_id    = segment_function.mask.id
  name           = "Mask"
  enabled        = true
  settings       = jsonencode({{}})
}}
"""
    conversion = converted(hcl)
    assert conversion.problems == ('loops: insert function "Mask" is not carried over: it changes events by code',)
    assert [each.entry.get("enabled", True) for each in conversion.destinations[0].mappings] == [True, False]
    named = converted(hcl.replace('"event = \\"Signed Up\\""', "local.condition"))
    assert any("if is computed by Terraform (local.condition)" in problem for problem in named.problems)
