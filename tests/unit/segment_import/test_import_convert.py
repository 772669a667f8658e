"""From what Segment exports to a configuration that loads."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from segue_worker.config import Inspection, inspect_config
from segue_worker.config.variables import substitute
from segue_worker.mapping import MappingError, compile_mapping
from segue_worker.segment_import import Conversion, Export, ExportError, convert, read_export, write_config
from segue_worker.segment_import.write import _escaped
from tests.unit.segment_import.exports import (
    API_KEY,
    HCL,
    IDENTIFY_FIELDS,
    TRACK_FIELDS,
    destination,
    in_terraform,
    page,
    subscription,
)

ENVIRON = {"LOOPS_API_KEY": "test-api-key", "LOOPS_API_KEY_LOOPS_A": "a", "LOOPS_API_KEY_LOOPS_B": "b"}


def converted(*texts: str) -> Conversion:
    export = Export()
    for text in texts:
        read_export(text, export)
    return convert(export)


def loaded(conversion: Conversion, tmp_path: Path) -> Inspection:
    file = tmp_path / "segue.yaml"
    file.write_text(write_config(conversion), encoding="utf-8")
    return inspect_config(file, ENVIRON)


def entries(conversion: Conversion) -> list[dict[str, Any]]:
    return [mapping.entry for each in conversion.destinations for mapping in each.mappings if mapping.carried]


def test_subscriptions_of_the_public_api_become_mappings(tmp_path: Path) -> None:
    conversion = converted(
        page(
            subscription(),
            subscription(
                "Events", actionSlug="sendEvent", trigger='type = "track"', settings=TRACK_FIELDS, enabled=False
            ),
        )
    )
    assert conversion.problems == ()
    text = write_config(conversion)
    assert "api_key: ${LOOPS_API_KEY}" in text
    inspection = loaded(conversion, tmp_path)
    assert (inspection.problems, inspection.warnings) == ((), ())
    assert inspection.config is not None
    (found,) = inspection.config.destinations
    assert (found.name, found.enabled) == ("loops", True)
    assert [(each.name, each.action, each.trigger.text, each.enabled) for each in found.mappings] == [
        ("Contacts", "createOrUpdateContact", 'type = "identify"', True),
        ("Events", "sendEvent", 'type = "track"', False),
    ]
    request = found.mappings[0].render(
        {"type": "identify", "userId": "u1", "traits": {"a": 1}, "email": "a@example.com"}
    )
    assert request is not None
    assert request.body == {"a": 1, "userId": "u1", "mailingLists": {}}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"data": {"subscriptions": [subscription()]}}),
        json.dumps({"data": {"data": {"subscriptions": [subscription()]}}}),
        json.dumps({"data": {"subscription": subscription()}}),
        json.dumps([subscription()]),
        "\ufeff" + page(subscription()),
        json.dumps(
            {
                "format_version": "1.0",
                "values": {
                    "root_module": {
                        "child_modules": [
                            {
                                "resources": [
                                    {"type": "t", "values": in_terraform(subscription()), "sensitive_values": {}}
                                ]
                            }
                        ]
                    }
                },
            }
        ),
        json.dumps({"version": 4, "resources": [{"instances": [{"attributes": in_terraform(subscription())}]}]}),
        json.dumps(
            {
                "planned_values": {"root_module": {"resources": [{"values": in_terraform(subscription())}]}},
                "prior_state": {"values": {"resources": [{"values": in_terraform(subscription("Old", id="other"))}]}},
            }
        ),
    ],
)
def test_subscriptions_are_found_however_they_are_wrapped(text: str) -> None:
    conversion = converted(text)
    assert conversion.problems == ()
    assert entries(conversion) == [
        {
            "name": "Contacts",
            "action": "createOrUpdateContact",
            "trigger": 'type = "identify"',
            "defaults": False,
            "fields": IDENTIFY_FIELDS,
        }
    ]


def test_a_destination_adds_its_name_its_state_and_its_actions_but_never_its_key() -> None:
    by_id: dict[str, Any] = {"actionSlug": "", "actionId": "action-2", "settings": TRACK_FIELDS}
    conversion = converted(
        page(subscription(**by_id)), json.dumps({"data": {"destination": destination(enabled=False)}})
    )
    assert conversion.problems == ()
    assert [entry["action"] for entry in entries(conversion)] == ["sendEvent"]
    text = write_config(conversion)
    assert "# At Segment: Loops (production)\n" in text
    assert "enabled: false" in text
    assert API_KEY not in text


def test_several_loops_destinations_get_a_key_each(tmp_path: Path) -> None:
    conversion = converted(
        json.dumps([destination(id="a", name="Loops: A"), destination(id="b", name="Loops / B")]),
        page(subscription(destinationId="b"), subscription("Other", destinationId="a")),
    )
    inspection = loaded(conversion, tmp_path)
    assert inspection.config is not None
    assert [(each.name, [mapping.name for mapping in each.mappings]) for each in inspection.config.destinations] == [
        ("loops-a", ["Other"]),
        ("loops-b", ["Contacts"]),
    ]


def test_terraforms_language_is_read_as_far_as_it_is_constant(tmp_path: Path) -> None:
    conversion = converted(HCL)
    assert conversion.problems == ()
    assert entries(conversion) == [
        {
            "name": 'Contacts "all"',
            "action": "createOrUpdateContact",
            "trigger": 'type = "identify"',
            "defaults": False,
            "fields": {**IDENTIFY_FIELDS, "source": "costs ${not} 5", "email": {"@template": "{{traits.email}}"}},
        },
        {
            "name": "Events",
            "action": "sendEvent",
            "trigger": 'type = "track"\nand event = "Signed Up"',
            "defaults": False,
            "fields": TRACK_FIELDS,
        },
    ]
    text = write_config(conversion)
    assert API_KEY not in text
    assert text.count("The export does not name the action") == 2
    inspection = loaded(conversion, tmp_path)
    assert inspection.problems == ()
    assert inspection.config is not None
    assert inspection.config.destinations[0].enabled is False
    assert inspection.config.destinations[0].mappings[1].trigger({"type": "track", "event": "Signed Up"})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"$.traits"', "var.path", "settings.customAttributes is computed by Terraform"),
        ('"costs $${not} 5"', '"a ${var.b}"', "settings.source is computed by Terraform (a ${var.b})"),
        ('"type = \\"identify\\""', "local.trigger", "trigger is computed by Terraform (local.trigger)"),
        ("model_id             = null", "for_each = toset([])", "Terraform creates it more than once (for_each)"),
        ('"Contacts \\"all\\""', "jsonencode(", ""),
    ],
)
def test_what_only_terraform_works_out_is_named(old: str, new: str, said: str) -> None:
    text = HCL.replace(old, new)
    assert text != HCL
    if not said:
        with pytest.raises(ExportError, match=r"not Terraform's language"):
            converted(text)
        return
    conversion = converted(text)
    assert any(said in problem for problem in conversion.problems)
    assert [entry["name"] for entry in entries(conversion)] == ["Events"]


def test_destinations_of_two_folders_with_one_name_in_terraform_are_not_mixed() -> None:
    with pytest.raises(ExportError, match='a second segment_destination "loops"'):
        converted(HCL, HCL.replace('"Loops"', '"Loops of another folder"'))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("enabled   = var.on", "enabled is computed by Terraform (var.on): convert what `terraform show -json` prints"),
        ('for_each  = toset(["eu", "us"])', "Terraform creates it more than once (for_each)"),
        ("count     = 2", "Terraform creates it more than once (count)"),
    ],
)
def test_a_destination_that_only_terraform_knows_is_named_and_not_enabled(line: str, said: str, tmp_path: Path) -> None:
    conversion = converted(HCL.replace("enabled   = false", line))
    assert conversion.problems == (f"loops: {said}",)
    assert f"  # Not enabled: {said}\n" in write_config(conversion)
    inspection = loaded(conversion, tmp_path)
    assert inspection.config is not None
    assert [each.enabled for each in inspection.config.destinations] == [False]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"actionSlug": "identifyUser"}, "identifyUser is not an action of the Loops destination"),
        ({"trigger": "type = 'track'"}, "single quotes"),
        ({"trigger": ""}, "the trigger is empty"),
        ({"modelId": "ow5jcJTxYAj51emDj4WCTc"}, "fed by a Reverse ETL model"),
        ({"settings": {"__segment_internal_directive": {"@transform": {}}}}, "fields: "),
        ({"settings": {"userId": {"@path": 5}}}, "fields: /userId"),
        ({"settings": {"userId": {"@nothing": ""}}}, "invalid directive"),
        ({"settings": "{"}, "its settings are not JSON"),
        ({"settings": None}, "settings is missing or not what Segment exports"),
        ({"enabled": "yes"}, "enabled is missing or not what Segment exports"),
        ({"trigger": 5}, "trigger is missing or not what Segment exports"),
    ],
)
def test_what_cannot_be_carried_over_is_named_and_stays_as_a_comment(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    conversion = converted(page(subscription("Good"), subscription("Bad", **changes), subscription("Also good")))
    (problem,) = conversion.problems
    assert problem.startswith('loops: mapping "Bad": ')
    assert said in problem
    assert [entry["name"] for entry in entries(conversion)] == ["Good", "Also good"]
    assert "      # - name: Bad\n" in write_config(conversion)
    assert loaded(conversion, tmp_path).problems == ()


def test_a_refused_trigger_is_shown_with_a_caret() -> None:
    conversion = converted(page(subscription(trigger="type = 'track'")))
    assert conversion.problems[0].splitlines()[1:3] == ["    type = 'track'", "           ^"]


def test_fields_segment_ignores_are_left_out_and_named(tmp_path: Path) -> None:
    settings = {**TRACK_FIELDS, "emial": 1, "mailingLists": {}, "enable_batching": True, "batch_keys": ["a"]}
    conversion = converted(page(subscription(actionSlug="sendEvent", settings=settings)))
    emial, lists = conversion.problems
    assert "'emial'. Did you mean email?" in emial
    assert "Segment's sendEvent has no field 'mailingLists'" in lists
    assert [entry["fields"] for entry in entries(conversion)] == [TRACK_FIELDS]
    assert "# sendEvent has no field 'emial'." in write_config(conversion)
    assert loaded(conversion, tmp_path).problems == ()


def test_fields_that_segment_adds_to_every_action_are_no_problem() -> None:
    settings = {
        **IDENTIFY_FIELDS,
        "enable_batching": True,
        "batch_size": 0,
        "batch_keys": [],
        "batch_bytes": 1,
        "__segment_internal_sync_mode": "upsert",
        "__segment_internal_matching_key": "email",
    }
    conversion = converted(page(subscription(settings=settings)))
    assert (conversion.problems, entries(conversion)[0]["fields"]) == ((), IDENTIFY_FIELDS)


def test_a_root_directive_is_carried_over_and_works(tmp_path: Path) -> None:
    settings = {
        "__segment_internal_directive": {"@transform": {"apply": {"person": {"@path": "$.context.person"}}}},
        "userId": {"@path": "$.person.id"},
    }
    conversion = converted(page(subscription(settings=settings)))
    assert conversion.problems == ()
    inspection = loaded(conversion, tmp_path)
    assert (inspection.problems, inspection.warnings) == ((), ())
    assert inspection.config is not None
    request = (
        inspection.config.destinations[0].mappings[0].render({"type": "identify", "context": {"person": {"id": "u1"}}})
    )
    assert request is not None
    assert request.body == {"userId": "u1", "mailingLists": {}}


def test_other_destinations_are_named_once_each() -> None:
    foreign = destination(id="w", name="Webhooks", metadata={"slug": "actions-webhook", "name": "Webhooks (Actions)"})
    others = [subscription(f"Hook {n}", destinationId="w", actionSlug="send", settings={"url": "x"}) for n in range(3)]
    unused = destination(id="u", name="Unused", metadata=foreign["metadata"])
    conversion = converted(json.dumps([foreign, unused]), page(subscription(), *others))
    (problem,) = conversion.problems
    assert problem.startswith('destination "Webhooks": not a Loops destination')
    assert "its 3 subscriptions" in problem
    assert len(entries(conversion)) == 1


def test_mappings_beyond_fifty_are_named(tmp_path: Path) -> None:
    conversion = converted(page(*(subscription(f"Mapping {number}") for number in range(52))))
    assert [problem.partition(":")[2] for problem in conversion.problems] == [
        f' mapping "Mapping {number}": a destination has at most 50 mappings' for number in (50, 51)
    ]
    assert loaded(conversion, tmp_path).problems == ()


def test_a_page_of_several_is_named_and_all_pages_are_one_export() -> None:
    first, second = page(subscription(), total=2), page(subscription("Second"), total=2)
    (problem,) = converted(first).problems
    assert problem.startswith("the export has 1 of 2 subscriptions")
    whole = converted(first, second, first)
    assert (whole.problems, [entry["name"] for entry in entries(whole)]) == ((), ["Contacts", "Second"])


def test_a_missing_page_of_one_destination_is_not_made_up_for_by_another() -> None:
    of_a = [subscription(f"A{number}", destinationId="a") for number in range(3)]
    (problem,) = converted(page(*of_a), page(subscription("B", destinationId="b"), total=3)).problems
    assert problem.startswith("the export has 1 of 3 subscriptions of destination b: fetch every page")


def test_a_list_of_several_destinations_counts_for_all_of_them() -> None:
    mixed = [subscription(name, destinationId=name) for name in ("a", "b")]
    assert converted(page(*mixed)).problems == ()
    (problem,) = converted(page(*mixed, total=3)).problems
    assert problem.startswith("the export has 2 of 3 subscriptions: fetch every page")


def test_destinations_whose_names_are_almost_the_same_have_keys_of_their_own() -> None:
    named = [destination(id=name, name=name) for name in ("Loops Prod", "Loops_Prod", "loops-prod")]
    pages = [page(subscription(name, destinationId=name)) for name in ("Loops Prod", "Loops_Prod", "loops-prod")]
    variables = [each.variable for each in converted(json.dumps(named), *pages).destinations]
    assert variables == [f"LOOPS_API_KEY_LOOPS_PROD{end}" for end in ("", "_2", "_2_2")]


def test_names_are_made_printable_and_unique(tmp_path: Path) -> None:
    names = ["Same", "Same", " ", "a\nb\x07", "x" * 300, "x" * 300, "x " * 150]
    conversion = converted(page(*(subscription(name, id=f"{number}") for number, name in enumerate(names))))
    assert conversion.problems == ()
    found = [entry["name"] for entry in entries(conversion)]
    assert found[:4] == ["Same", "Same-2", "Unnamed", "a b"]
    assert len(set(found)) == len(names)
    assert loaded(conversion, tmp_path).problems == ()


def test_a_destination_without_subscriptions_is_told_to_bring_them(tmp_path: Path) -> None:
    conversion = converted(json.dumps(destination()))
    assert conversion.problems == ("loops: the export has no subscriptions for it: add the file that has them",)
    assert loaded(conversion, tmp_path).problems == ()


@pytest.mark.parametrize("text", ["{", '{"a": NaN}', "destinations:\n  - name: loops\n", "\x00"])
def test_a_text_that_is_no_export_is_refused(text: str) -> None:
    with pytest.raises(ExportError):
        converted(text)


def test_nothing_of_loops_is_no_destination() -> None:
    assert converted("{}").destinations == ()
    assert converted("").destinations == ()


TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    [
        "${X}",
        "$$",
        "$${X}",
        "${{x}}",
        "yes",
        "1e3",
        "null",
        "~",
        "- a",
        "a: b",
        "#",
        "'",
        '"',
        "\n",
        " a",
        "a\n\n  b\n",
        "0o7",
        "=",
        "<<",
    ]
)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)


@given(st.text(st.sampled_from("${}Xx")))
def test_a_text_means_itself_whatever_dollars_it_has(text: str) -> None:
    assert substitute(_escaped(text), {"X": "value"}).text == text
    assert substitute(_escaped(text), {"X": "value"}).reasons == ()


@given(name=TEXTS, value=PLAIN, bad=TEXTS)
@example(name="", value=[{"@": None}], bad="")  # refused only when it is resolved
def test_every_conversion_loads_and_means_what_was_exported(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: Any, bad: str
) -> None:
    settings = {"userId": {"@path": "$.userId"}, "customAttributes": {"x": value}}
    broken = subscription("Broken", settings=settings, trigger=bad)
    text = page(subscription(name, settings=settings), broken)
    conversion = converted(text)
    tmp_path = tmp_path_factory.getbasetemp()
    inspection = loaded(conversion, tmp_path)
    assert inspection.problems == ()
    assert inspection.config is not None
    try:
        expected = compile_mapping(settings)({"type": "identify", "userId": "u1"})["customAttributes"]
    except MappingError:
        assert any("fields:" in problem for problem in conversion.problems)
        return
    mapping = inspection.config.destinations[0].mappings[0]
    request = mapping.render({"type": "identify", "userId": "u1"})
    assert request is not None
    if not request.repairs:
        assert {key: request.body[key] for key in expected} == expected
