from typing import Any

import pytest

from segue_worker.mapping import lets_through


@pytest.mark.parametrize(
    ("integrations", "passes"),
    [
        (None, True),
        ({}, True),
        ("odd", True),
        ({"All": True}, True),
        ({"All": False}, False),
        ({"All": False, "Loops (Actions)": True}, True),
        ({"All": False, "Actions Loops": {"option": 1}}, True),
        ({"All": False, "Loops": False}, False),
        ({"Loops": False}, False),
        ({"All": True, "Loops (Actions)": False}, False),
        ({"Salesforce": False}, True),
        ({"All": False, "Salesforce": True}, False),
        ({"All": False, "Loops": "yes"}, False),
    ],
)
def test_the_integrations_object_decides(integrations: Any, *, passes: bool) -> None:
    assert lets_through({"integrations": integrations}) is passes


def test_without_integrations_an_event_passes() -> None:
    assert lets_through({}) is True
