import copy
import re
from typing import Any

import pytest

from segue_worker.mapping import (
    ACTIONS,
    MappingError,
    PayloadError,
    TriggerError,
    compile_destination_mapping,
    default_fields,
    encode_body,
)
from tests.conformance.recorded import Case, cases, recorded_defaults, same

_MISSING = re.compile(r"The root value is missing the required field '(\w+)'\.")
"""The one message that Segue words in its own way: it names the field, and nothing else."""

_BASE_URL = "https://app.loops.so/api/v1"


def _requests(case: Case) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Render every mapping of a case; returns method, URL and body text of each request, and the errors."""
    requests: list[tuple[str, str, str]] = []
    errors: list[str] = []
    for mapping in case.input["mappings"]:
        try:
            compiled = compile_destination_mapping(
                name="m",
                action=mapping["partnerAction"],
                trigger=mapping["subscribe"],
                enabled=True,
                defaults=False,
                fields=mapping["mapping"] or {},
            )
            request = compiled.render(case.input["event"])
        except (MappingError, PayloadError, TriggerError) as error:
            errors.append(str(error))
        else:
            if request is not None:
                body = encode_body(request.body).decode()
                requests.append((request.method, _BASE_URL + request.path, body))
    return requests, errors


def _beyond_mappings(case: Case) -> bool:
    """Settings at fault, or no connection: the reference sent nothing for reasons mappings do not know of."""
    responses: list[dict[str, Any]] = case.input.get("responses") or []
    return any("networkError" in response for response in responses) or (
        "settings" in case.tags and not case.expected["requests"]
    )


@pytest.mark.parametrize("case", cases("loops"), ids=str)
def test_an_event_makes_the_requests_segment_sends(case: Case) -> None:
    before = copy.deepcopy(case.input)
    requests, errors = _requests(case)

    assert same(case.input, before), "the event or a mapping was changed"
    if case.loose == "value" or _beyond_mappings(case):
        return
    expected = [(sent["method"], sent["url"], sent["bodyText"]) for sent in case.expected["requests"]]
    assert sorted(requests) == sorted(expected)
    if case.loose is None and "responses" not in case.input:
        messages = [" ".join(item["error"]["messages"]) for item in case.expected["subscriptions"] if "error" in item]
        # Segment stops at the first mapping that fails; here each has its own outcome.
        assert {_MISSING.sub(r"\1 is missing.", message) for message in messages} <= set(errors)


@pytest.mark.parametrize("name", ACTIONS)
def test_defaults_are_segments(name: str) -> None:
    recorded = recorded_defaults()[name]
    action = ACTIONS[name]

    assert action.trigger == recorded["defaultSubscription"]
    assert default_fields(action.name) == recorded["defaultMapping"]
    assert [key for key in action.fields if key != "mailingLists"] == [
        key for key in recorded["fields"] if key != "mailingLists"
    ]
    assert {key for key, field in action.fields.items() if field.required} == {
        key for key, field in recorded["fields"].items() if field["required"]
    }
