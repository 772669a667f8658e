from typing import Any

import pytest

from segue_worker.mapping import ACTIONS, UNDEFINED, PayloadError
from segue_worker.mapping.payload import PASSED_THROUGH, compile_check


def _contact(result: Any) -> dict[str, Any]:
    return compile_check(ACTIONS["createOrUpdateContact"])(result)


def _event(result: Any) -> dict[str, Any]:
    return compile_check(ACTIONS["sendEvent"])(result)


@pytest.mark.parametrize("empty", [None, ""])
def test_empty_values_are_removed(empty: Any) -> None:
    assert _contact({"email": empty, "userId": "u", "source": empty, "customAttributes": empty}) == {"userId": "u"}


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
        ("createdAt", ["1700000000"], 1700000000.0),
        ("createdAt", [" 0x10 "], 16.0),
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
        (
            "createdAt",
            [""],
            "Contact Created Date must be a string or number but it was a string. Contact Created Date must be a valid date-like string but it was not.",
        ),
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
        _event({"email": "x", "eventProperties": 1, "userId": None, "eventName": ""})
    assert str(refusal.value) == (
        "eventName is missing. "
        "userId is missing. "
        "Contact Email must be a valid email address string but it was not. "
        "Event Properties must be an object but it was a number."
    )


def test_a_missing_field_is_named_where_no_value_is_wrong() -> None:
    with pytest.raises(PayloadError) as refusal:
        _event({"eventName": "E", "email": "a@example.com"})
    assert str(refusal.value) == "userId is missing."


@pytest.mark.parametrize(
    ("result", "described"),
    [
        (UNDEFINED, "undefined"),
        (None, "null"),
        ("x", "a string"),
        ([], "an array"),
        (1, "a number"),
        (True, "a boolean"),
    ],
)
def test_a_mapping_that_yields_no_object_is_refused(result: Any, described: str) -> None:
    with pytest.raises(PayloadError) as refusal:
        _contact(result)
    assert str(refusal.value) == f"The mapping must return an object but it returned {described}."


@pytest.mark.parametrize(("value", "kept"), [("x", True), (None, True), ("", False)])
def test_one_field_that_no_action_declares_is_passed_through_as_it_is(value: Any, *, kept: bool) -> None:
    payload = {"userId": "u"}
    assert _contact({**payload, PASSED_THROUGH: value}) == (payload | {PASSED_THROUGH: value} if kept else payload)


def test_where_only_the_email_counts_it_is_required_in_place_of_the_user_id() -> None:
    check = compile_check(ACTIONS["createOrUpdateContact"], email_only=True)
    assert check({"email": "ada@example.com"}) == {"email": "ada@example.com"}
    with pytest.raises(PayloadError, match="email"):
        check({"userId": "u"})
    with pytest.raises(PayloadError, match="userId"):
        _contact({"email": "ada@example.com"})
