from typing import Any

import pytest

from segue_worker.mapping import ACTIONS, UNDEFINED, PayloadError
from segue_worker.mapping.payload import compile_check

_contact = compile_check(ACTIONS["createOrUpdateContact"])
_event = compile_check(ACTIONS["sendEvent"])


@pytest.mark.parametrize("empty", [None, ""])
def test_empty_values_are_removed(empty: Any) -> None:
    assert _contact({"userId": "u", "email": empty, "source": empty, "customAttributes": empty}) == {"userId": "u"}


def test_contents_of_objects_are_left_alone_and_unknown_fields_dropped() -> None:
    assert _contact({"userId": "u", "customAttributes": {"a": None, "b": ""}, "nope": 1}) == {
        "userId": "u",
        "customAttributes": {"a": None, "b": ""},
    }


@pytest.mark.parametrize(
    ("field", "value", "sent"),
    [
        ("userId", 5, "5"),
        ("userId", 5.0, "5"),
        ("userId", True, "true"),
        ("userId", ["x"], "x"),
        ("userId", [1e21], "1e+21"),
        ("firstName", [None], ""),
        ("firstName", " ", " "),
        ("email", ["a@example.com"], "a@example.com"),
        ("email", "A.b+c@Ex-am.example.com", "A.b+c@Ex-am.example.com"),
        ("subscribed", "true", True),
        ("subscribed", 0, False),
        ("subscribed", [None], False),
        ("subscribed", [1.0], True),
        ("createdAt", 1700000000000, 1700000000000),
        ("createdAt", "2025-05-05T14:17:38Z", "2025-05-05T14:17:38Z"),
        ("createdAt", [1700000000], "1700000000"),
        ("customAttributes", {}, {}),
        ("mailingLists", [{"listId": "a", "subscribed": True}], {"a": True}),
    ],
)
def test_values_are_converted(field: str, value: Any, sent: Any) -> None:
    payload = _contact({"userId": "u", field: value})

    assert payload[field] == sent
    assert type(payload[field]) is type(sent)


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("userId", {}, "User ID must be a string but it was an object."),
        ("userId", [], "User ID must be a string but it was an array."),
        ("userId", ["a", "b"], "User ID must be a string but it was an array."),
        ("email", "a@example", "Contact Email must be a valid email address string but it was not."),
        ("email", "a@example.com\n", "Contact Email must be a valid email address string but it was not."),
        ("email", "a@-example.com", "Contact Email must be a valid email address string but it was not."),
        ("email", "ä@example.com", "Contact Email must be a valid email address string but it was not."),
        ("email", "a..b@example.com", "Contact Email must be a valid email address string but it was not."),
        ("subscribed", "TRUE", "Subscribed must be a boolean but it was a string."),
        ("subscribed", 2, "Subscribed must be a boolean but it was a number."),
        ("customAttributes", "x", "Custom Contact Attributes must be an object but it was a string."),
        ("customAttributes", [{}], "Custom Contact Attributes must be an object but it was an array."),
        ("mailingLists", [True], "Mailing Lists must be an object but it was an array."),
        ("createdAt", {}, "Contact Created Date must be a string or number but it was an object."),
        ("createdAt", ["2024-01-01"], "Contact Created Date must be a string or number but it was a string."),
        ("createdAt", "nope", "Contact Created Date must be a valid date-like string but it was not."),
        ("createdAt", True, "Contact Created Date must be a valid date-like string but it was not."),
    ],
)
def test_values_are_refused_in_segments_words(field: str, value: Any, problem: str) -> None:
    with pytest.raises(PayloadError) as refusal:
        _contact({"userId": "u", field: value})
    assert str(refusal.value) == problem


def test_every_problem_is_named_missing_fields_first() -> None:
    with pytest.raises(PayloadError) as refusal:
        _event({"email": "x", "eventProperties": 1, "userId": None})
    assert str(refusal.value) == (
        "eventName is missing. "
        "userId is missing. "
        "Contact Email must be a valid email address string but it was not. "
        "Event Properties must be an object but it was a number."
    )


@pytest.mark.parametrize("result", [UNDEFINED, None, "x", [], 1])
def test_a_mapping_that_yields_no_object_is_refused(result: Any) -> None:
    with pytest.raises(PayloadError, match="The mapping must return an object"):
        _contact(result)
