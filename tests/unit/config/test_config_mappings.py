"""Triggers and fields at fault are named with their own line and path."""

from collections.abc import Callable

import pytest

from segue_worker.config import Inspection

Found = Callable[..., list[tuple[int | None, str, str]]]
Inspect = Callable[..., Inspection]

HEAD = "destinations:\n  - name: loops\n    api_key: ${LOOPS_API_KEY}\n    mappings:\n      - name: A\n        action: sendEvent\n"


def test_a_trigger_is_shown_with_the_place_at_fault(found: Found) -> None:
    ((line, path, reason),) = found(HEAD + "        enabled: true\n        trigger: type = 'track'\n")
    assert (line, path) == (8, "destinations[0].mappings[0].trigger")
    said, excerpt, caret = reason.split("\n")
    assert said.endswith("(at character 8)")
    assert excerpt == "    type = 'track'"
    assert caret == "           ^"


def test_only_the_line_at_fault_of_a_long_trigger_is_shown(found: Found) -> None:
    lines = [*(f'event = "{letter * 90}" or' for letter in "abc"), f"event = 'X' or event = \"{'z' * 500}\""]
    trigger = "".join(f"          {line}\n" for line in lines)
    ((_, _, reason),) = found(f"{HEAD}        trigger: |\n{trigger}")
    _, excerpt, caret = reason.split("\n")
    assert excerpt.startswith("    line 4: event = 'X' or event")
    assert len(excerpt) < 120
    assert excerpt[caret.index("^")] == "'"


def test_a_trigger_from_a_variable_is_not_shown(found: Found) -> None:
    ((line, _, reason),) = found(HEAD + "        trigger: type = ${Q}track${Q}\n", Q="'")
    assert line == 7
    assert "\n" not in reason
    assert reason.endswith("(at character 8)")


def test_a_trigger_hides_no_field_and_no_field_a_trigger(found: Found) -> None:
    text = (
        HEAD
        + "        trigger: type =\n        fields:\n          eventNam: x\n          eventProperties: {'@pat': x}\n"
    )
    assert [(line, path) for line, path, _ in found(text)] == [
        (7, "destinations[0].mappings[0].trigger"),
        (9, "destinations[0].mappings[0].fields.eventNam"),
        (10, "destinations[0].mappings[0].fields.eventProperties"),
    ]


def test_an_unknown_action_hides_no_trigger(found: Found) -> None:
    text = HEAD.replace("sendEvent", "send") + "        trigger: type =\n        fields: {email: x}\n"
    assert [path for _, path, _ in found(text)] == [
        "destinations[0].mappings[0].action",
        "destinations[0].mappings[0].trigger",
    ]


def test_an_unknown_field_is_told_the_nearest_one(found: Found) -> None:
    ((line, path, reason),) = found(HEAD + "        fields:\n          emial: {'@path': $.properties.email}\n")
    assert (line, path) == (8, "destinations[0].mappings[0].fields.emial")
    assert "Did you mean email?" in reason


def test_a_fault_deep_in_a_field_has_its_own_line(found: Found) -> None:
    text = HEAD + (
        "        fields:\n"
        "          contactProperties:\n"
        "            plan: {'@path': $.properties.plan}\n"
        "            a b/c:\n"
        "              '@case':\n"
        "                operator: 5\n"
        "                value: {'@path': $.x}\n"
    )
    ((line, path, _),) = found(text)
    assert line == 12
    assert path == 'destinations[0].mappings[0].fields.contactProperties["a b/c"].@case.operator'


@pytest.mark.parametrize(
    "extra", ["        fields: {email: null}\n", "        defaults: false\n        enabled: false\n"]
)
def test_what_a_mapping_may_leave_out_is_no_problem(inspect: Inspect, extra: str) -> None:
    config = inspect(
        HEAD + extra + '        trigger: type = "track" and properties.plan = "${PLAN}"\n', PLAN="Pro"
    ).config
    assert config is not None
    (mapping,) = config.destinations[0].mappings
    assert mapping.trigger.text == 'type = "track" and properties.plan = "Pro"'


def test_fields_that_segment_adds_may_be_pasted_and_do_nothing(inspect: Inspect) -> None:
    text = HEAD + (
        "        fields:\n"
        "          enable_batching: true\n"
        "          batch_size: 100\n"
        "          __segment_internal_sync_mode: upsert\n"
        "          __segment_internal_matching_key: email\n"
    )
    inspection = inspect(text)
    assert (inspection.problems, inspection.warnings) == ((), ())
    assert inspection.config is not None
    request = inspection.config.destinations[0].mappings[0].render({"type": "track", "event": "E", "userId": "u1"})
    assert request is not None
    assert request.body == {"eventName": "E", "userId": "u1"}
