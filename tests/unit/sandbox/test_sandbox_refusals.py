"""One body, one refusal: each case is named by its rule."""

from typing import NamedTuple

import httpx
import pytest

from segue_sandbox.core import Sandbox

from .calls import ADA, NEWS, Json, answer, refused

TOO_LONG = "Some body key or value is longer than allowable"


class RefusedCall(NamedTuple):
    rule: str
    path: str
    body: Json
    status: int
    message: str


REFUSALS = [
    RefusedCall("too long", "/contacts/update", {"email": ADA, "bio": "x" * 499}, 400, TOO_LONG),
    RefusedCall("too long", "/contacts/update", {"email": ADA, "k" * 499: 1}, 400, TOO_LONG),
    RefusedCall("too long", "/contacts/update", {"email": ADA, "n": 10**500}, 400, TOO_LONG),
    RefusedCall("too long", "/contacts/update", {"email": ADA, "bio": '"' * 250}, 400, TOO_LONG),
    RefusedCall("too long", "/contacts/update", {"email": ADA, "mailingLists": {"l" * 499: True}}, 400, TOO_LONG),
    RefusedCall(
        "too long", "/events/send", {"email": ADA, "eventName": "E", "eventProperties": {"p": "x" * 499}}, 400, TOO_LONG
    ),
    RefusedCall(
        "too long", "/events/send", {"email": ADA, "eventName": "E", "eventProperties": {"k" * 499: 1}}, 400, TOO_LONG
    ),
    RefusedCall("too long", "/contacts/create", {"email": ADA, "bio": "x" * 499}, 400, TOO_LONG),
    RefusedCall(
        "empty identifiers", "/contacts/update", {"email": None, "userId": None}, 400, "An email or userId is required."
    ),
    RefusedCall(
        "empty identifiers", "/contacts/update", {"email": "", "userId": ""}, 400, "An email or userId is required."
    ),
    RefusedCall("no identifier", "/contacts/update", {"plan": "pro"}, 400, "An email or userId is required."),
    RefusedCall("no identifier", "/events/send", {"eventName": "E"}, 400, "An email or userId is required."),
    RefusedCall("no address", "/contacts/update", {"email": "ada.example.com"}, 400, "Invalid email address."),
    RefusedCall("no address", "/contacts/update", {"email": "ada@localhost"}, 400, "Invalid email address."),
    RefusedCall("no address", "/contacts/update", {"email": "a da@example.com"}, 400, "Invalid email address."),
    RefusedCall("no address", "/events/send", {"eventName": "E", "email": "ada@"}, 400, "Invalid email address."),
    RefusedCall(
        "identifier of another type", "/contacts/update", {"email": ["ada@example.com"]}, 400, "Invalid email address."
    ),
    RefusedCall("identifier of another type", "/contacts/update", {"email": 7}, 400, "Invalid email address."),
    RefusedCall(
        "identifier of another type",
        "/contacts/update",
        {"email": ADA, "userId": ["u1"]},
        400,
        "userId must be a string",
    ),
    RefusedCall(
        "identifier of another type", "/contacts/update", {"email": ADA, "userId": 7}, 400, "userId must be a string"
    ),
    RefusedCall(
        "identifier of another type", "/contacts/update", {"email": ADA, "userId": True}, 400, "userId must be a string"
    ),
    RefusedCall(
        "another type", "/contacts/update", {"email": ADA, "createdAt": "yesterday"}, 400, "createdAt must be a date"
    ),
    RefusedCall("another type", "/contacts/update", {"email": ADA, "firstName": 7}, 400, "firstName must be a string"),
    RefusedCall(
        "nested value", "/contacts/update", {"email": ADA, "tags": ["a"]}, 400, "tags must not be an object or array"
    ),
    RefusedCall(
        "nested value",
        "/events/send",
        {"eventName": "E", "email": ADA, "geo": {"x": 1}},
        400,
        "geo must not be an object or array",
    ),
    RefusedCall(
        "subscribed", "/contacts/update", {"email": ADA, "subscribed": "false"}, 400, "subscribed must be a boolean"
    ),
    RefusedCall(
        "subscribed", "/contacts/update", {"email": ADA, "subscribed": None}, 400, "subscribed must be a boolean"
    ),
    RefusedCall(
        "unknown userId",
        "/contacts/update",
        {"userId": "u1"},
        400,
        "userId not found and cannot create a new contact without an email.",
    ),
    RefusedCall(
        "list value",
        "/contacts/update",
        {"email": ADA, "mailingLists": {NEWS: "true"}},
        400,
        f"mailingLists.{NEWS} must be a boolean",
    ),
    RefusedCall(
        "list value",
        "/contacts/update",
        {"email": ADA, "mailingLists": [NEWS]},
        400,
        "mailingLists must be an object of booleans",
    ),
    RefusedCall(
        "unknown list",
        "/contacts/update",
        {"email": ADA, "mailingLists": {"nope": True}},
        400,
        "Mailing list not found",
    ),
    RefusedCall("event name", "/events/send", {"email": ADA}, 400, "eventName is required"),
    RefusedCall("event name", "/events/send", {"email": ADA, "eventName": 7}, 400, "eventName is required"),
    RefusedCall("event name", "/events/send", {"email": ADA, "eventName": " "}, 400, "eventName is required"),
    RefusedCall(
        "unknown userId of an event", "/events/send", {"eventName": "E", "userId": "u1"}, 400, "Contact not found."
    ),
    RefusedCall(
        "event properties",
        "/events/send",
        {"eventName": "E", "email": ADA, "eventProperties": [1]},
        400,
        "eventProperties must be an object",
    ),
    RefusedCall(
        "event properties",
        "/events/send",
        {"eventName": "E", "email": ADA, "eventProperties": {"items": [1]}},
        400,
        "items must not be an object or array",
    ),
    RefusedCall("create", "/contacts/create", {"userId": "u1"}, 400, "An email is required."),
    RefusedCall(
        "delete",
        "/contacts/delete",
        {"email": ADA, "userId": "u1"},
        400,
        "Exactly one of email and userId is required.",
    ),
    RefusedCall("delete", "/contacts/delete", {}, 400, "Exactly one of email and userId is required."),
    RefusedCall("delete", "/contacts/delete", {"email": ADA}, 404, "Contact not found."),
    RefusedCall("delete with a list", "/contacts/delete", {"userId": ["u1"]}, 400, "userId must be a string"),
    RefusedCall(
        "new property", "/contacts/properties", {"name": "firstName", "type": "string"}, 400, "Property already exists."
    ),
    RefusedCall(
        "new property", "/contacts/properties", {"name": "plan", "type": "text"}, 400, "Invalid property type."
    ),
    RefusedCall("new property", "/contacts/properties", {"name": " ", "type": "string"}, 400, "Invalid property name."),
]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: f"{case.rule} {case.path} {case.message}")
def test_refusal_changes_nothing(sandbox: Sandbox, api: httpx.Client, case: RefusedCall) -> None:
    method = "PUT" if case.path == "/contacts/update" else "POST"
    assert answer(api.request(method, case.path, json=case.body)) == refused(case.status, case.message)
    assert (len(sandbox.team("acme").contacts), sandbox.events) == (0, [])
    assert not sandbox.ledger.entries[-1].applied


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'"text"', b"7", b"null", b"\xff", b'{"a": NaN}', b'{"a": 1e999}']
)
@pytest.mark.parametrize("path", ["/contacts/update", "/events/send", "/contacts/create", "/contacts/delete"])
def test_3_1_body_must_be_a_json_object(api: httpx.Client, path: str, content: bytes) -> None:
    assert answer(api.post(path, content=content)) == refused(400, "Invalid JSON")


def test_3_1_absurdly_deep_json_is_no_json(api: httpx.Client) -> None:
    assert answer(api.put("/contacts/update", content=b"[" * 100_000)) == refused(400, "Invalid JSON")


def test_3_3_longer_bodies_are_413_html(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.change_switches({"max_body_bytes": 40})
    body = b'{"email":"ada@example.com"}'
    assert api.put("/contacts/update", content=body.ljust(40)).status_code == 200
    response = api.put("/contacts/update", content=body.ljust(41))
    assert (response.status_code, response.headers["content-type"]) == (413, "text/html; charset=utf-8")
