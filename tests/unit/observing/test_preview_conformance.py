"""Recorded cases of Segment, line by line through the preview."""

import json
from typing import Any

import pytest

from segue_worker.errors import MappingError, TriggerError
from segue_worker.mapping import CompiledMapping, compile_destination_mapping
from segue_worker.observing.preview import preview_line
from tests.conformance.recorded import Case, cases, same


def compiled(case: Case) -> list[CompiledMapping]:
    """The mappings of a case that can be loaded; one that cannot makes no request."""
    mappings = []
    for number, mapping in enumerate(case.input["mappings"]):
        try:
            mappings.append(
                compile_destination_mapping(
                    name=f"Mapping {number}",
                    action=mapping["partnerAction"],
                    trigger=mapping["subscribe"],
                    enabled=True,
                    defaults=False,
                    fields=mapping["mapping"] or {},
                )
            )
        except (MappingError, TriggerError):
            continue
    return mappings


def is_about_sending(case: Case) -> bool:
    """Whether Segment's outcome hung on its settings or the network, which a preview does not look at."""
    responses: list[dict[str, Any]] = case.input.get("responses") or []
    return any("networkError" in response for response in responses) or (
        "settings" in case.tags and not case.expected["requests"]
    )


@pytest.mark.parametrize("case", cases("loops"), ids=str)
def test_a_line_shows_the_requests_segment_sends(case: Case) -> None:
    event = case.input["event"]
    line = json.loads(preview_line(json.dumps(event, ensure_ascii=False).encode(), compiled(case)))

    assert line["messageId"] == event.get("messageId")
    if case.loose == "value" or is_about_sending(case):
        return
    expected = [
        {"method": sent["method"], "path": sent["url"].partition("/api/v1")[2], "body": sent["body"]}
        for sent in case.expected["requests"]
    ]
    shown = [{key: request[key] for key in ("method", "path", "body")} for request in line["requests"]]
    assert len(shown) == len(expected)
    assert all(any(same(left, right) for right in shown) for left in expected)
