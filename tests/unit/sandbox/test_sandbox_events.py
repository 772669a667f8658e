"""Events, and the keys that keep them from having effect twice (docs/loops.md#events)."""

import httpx
import pytest

from segue_sandbox.core import Sandbox
from tests.unit.sandbox.in_process import ManualClock

from .calls import ADA, Json, answer, find, refused, send, update


def test_7_2_names_are_case_sensitive_and_created(api: httpx.Client) -> None:
    for name in ("Signed Up", "signed up", "Signed Up"):
        send(api, email=ADA, eventName=name)
    assert [each["eventName"] for each in api.get("/event-patterns").json()["data"]] == ["Signed Up", "signed up"]


def test_7_3_colon_is_accepted(api: httpx.Client) -> None:
    assert send(api, email=ADA, eventName="billing:paid").status_code == 200


def test_7_5_unknown_email_creates_the_contact(sandbox: Sandbox, api: httpx.Client) -> None:
    send(api, email=ADA, userId="u1")
    assert find(api, userId="u1")["source"] == "API"
    assert [(event.email, event.user_id) for event in sandbox.events] == [(ADA, "u1")]


def test_7_6_other_keys_are_contact_properties(sandbox: Sandbox, api: httpx.Client) -> None:
    send(api, email=ADA, plan="pro", firstName="Ada", eventProperties={"amount": 1})
    shown = find(api, email=ADA)
    assert (shown["plan"], shown["firstName"]) == ("pro", "Ada")
    assert {"eventName", "eventProperties", "amount"}.isdisjoint(shown)
    assert sandbox.events[0].properties == {"amount": 1}


def test_7_7_properties_keep_their_first_type_where_they_can(sandbox: Sandbox, api: httpx.Client) -> None:
    send(api, email=ADA, eventProperties={" amount ": 1, "paid": True, "note": "x"})
    send(api, email=ADA, eventProperties={"amount": "2.5", "paid": "false", "note": 7})
    send(api, email=ADA, eventProperties={"amount": "many", "paid": 1, "note": True})
    send(api, email=ADA, eventProperties={"amount": True, "paid": "yes"})
    assert [event.properties for event in sandbox.events] == [
        {"amount": 1, "paid": True, "note": "x"},
        {"amount": 2.5, "paid": False, "note": "7"},
        {"note": "true"},
        {},
    ]


def test_7_8_empty_object_and_null_values(sandbox: Sandbox, api: httpx.Client) -> None:
    assert send(api, email=ADA, eventProperties={}).status_code == 200
    assert send(api, email=ADA, eventProperties={"amount": None, "b": 1}).status_code == 200
    assert [event.properties for event in sandbox.events] == [{}, {"b": 1}]


def test_7_9_success_has_no_id(api: httpx.Client) -> None:
    assert answer(send(api, email=ADA)) == (200, {"success": True})


def test_7_10_unsubscribed_contacts_get_events(sandbox: Sandbox, api: httpx.Client) -> None:
    update(api, email=ADA, subscribed=False)
    assert send(api, email=ADA).status_code == 200
    assert len(sandbox.events) == 1


def test_7_11_events_are_recorded_in_order(sandbox: Sandbox, clock: ManualClock, api: httpx.Client) -> None:
    for number in range(3):
        send(api, f"key-{number}", email=ADA, eventProperties={"number": number})
        clock.tick(0.5)
    assert [(event.n, event.properties["number"], event.idempotency_key) for event in sandbox.events] == [
        (1, 0, "key-0"),
        (2, 1, "key-1"),
        (3, 2, "key-2"),
    ]
    assert sandbox.events[2].at - sandbox.events[0].at == 1.0


def used(key: str) -> tuple[int, Json]:
    return refused(409, f"Request with idempotency key {key} has already been processed.")


def test_7_20_empty_key_is_absent(sandbox: Sandbox, api: httpx.Client) -> None:
    assert [send(api, "", email=ADA).status_code for _ in range(2)] == [200, 200]
    assert len(sandbox.events) == 2


def test_7_21_key_length(api: httpx.Client) -> None:
    assert send(api, "k" * 100, email=ADA).status_code == 200
    assert send(api, "k" * 101, email=ADA).status_code == 400


def test_7_22_a_key_works_once(sandbox: Sandbox, api: httpx.Client) -> None:
    send(api, "key", email=ADA)
    assert answer(send(api, "key", email=ADA, eventName="Other", plan="pro")) == used("key")
    assert "plan" not in find(api, email=ADA)
    assert len(sandbox.events) == 1


@pytest.mark.parametrize("move", ["tick", "move"])
def test_7_24_after_a_day_the_key_is_free(clock: ManualClock, api: httpx.Client, move: str) -> None:
    send(api, "key", email=ADA)
    getattr(clock, move)(24 * 3600 - 1)
    assert answer(send(api, "key", email=ADA)) == used("key")
    getattr(clock, move)(1)
    assert send(api, "key", email=ADA).status_code == 200


def test_7_25_a_refused_request_keeps_its_key(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.keys.revoke("sandbox-acme")
    assert send(api, "key", email=ADA).status_code == 401
    sandbox.keys.restore()
    assert send(api, "key", email="nonsense").status_code == 400
    assert send(api, "key", userId="unknown").status_code == 400
    assert api.put("/events/send", headers={"Idempotency-Key": "key"}).status_code == 405
    assert send(api, "key", email=ADA).status_code == 200


def test_7_28_only_events_use_keys_up(api: httpx.Client) -> None:
    api.post("/contacts/create", json={"email": ADA}, headers={"Idempotency-Key": "key"})
    assert send(api, "key", email=ADA).status_code == 200


def test_7_29_a_bad_request_is_400_even_with_a_used_key(api: httpx.Client) -> None:
    send(api, "key", email=ADA)
    assert send(api, "key", email="nonsense").status_code == 400
    assert send(api, "key", userId="unknown").status_code == 400
