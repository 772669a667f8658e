import uuid
from typing import Any

import httpx
import pytest

EVENT = "Segue contract test"


def send(api: httpx.Client, key: str | None = None, **body: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.post("/events/send", json={"eventName": EVENT, **body}, headers=headers)


def test_an_event_creates_its_contact(api: httpx.Client, email: str, user_id: str) -> None:
    answer = send(api, email=email, userId=user_id, firstName="Ada", eventProperties={"amount": 7, "paid": True})
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    (contact,) = api.get("/contacts/find", params={"userId": user_id}).json()
    assert (contact["email"], contact["firstName"]) == (email, "Ada")
    assert "amount" not in contact


def test_empty_event_properties(api: httpx.Client, email: str) -> None:
    assert send(api, email=email, eventProperties={}).status_code == 200


def test_unknown_user_id_alone_is_refused(api: httpx.Client, user_id: str) -> None:
    answer = send(api, userId=user_id)
    assert (answer.status_code, answer.json()["success"]) == (400, False)


@pytest.mark.parametrize("name", [None, ""])
def test_an_event_needs_a_name(api: httpx.Client, email: str, name: str | None) -> None:
    body = {"email": email} if name is None else {"email": email, "eventName": name}
    answer = api.post("/events/send", json=body)
    assert (answer.status_code, answer.json()["success"]) == (400, False)


def test_an_event_needs_an_identifier(api: httpx.Client) -> None:
    assert send(api).status_code == 400


def test_a_key_works_once_whatever_the_body(api: httpx.Client, email: str) -> None:
    key = str(uuid.uuid4())
    assert send(api, key, email=email).status_code == 200
    for body in ({}, {"firstName": "Other"}):
        answer = send(api, key, email=email, **body)
        assert (answer.status_code, answer.json()["success"]) == (409, False)
    assert send(api, str(uuid.uuid4()), email=email).status_code == 200


def test_a_key_of_100_characters(api: httpx.Client, email: str) -> None:
    assert send(api, uuid.uuid4().hex.ljust(100, "k"), email=email).status_code == 200


def test_the_event_is_listed_under_its_exact_name(api: httpx.Client, email: str) -> None:
    send(api, email=email)
    assert api.get(f"/event-patterns/by-name/{EVENT}").status_code == 200
    assert api.get(f"/event-patterns/by-name/{EVENT.upper()}").status_code == 404


def test_an_event_pattern_tells_its_properties(api: httpx.Client, email: str) -> None:
    send(api, email=email, eventProperties={"amount": 1})
    pattern = api.get(f"/event-patterns/by-name/{EVENT}").json()
    assert set(pattern) == {"id", "eventName", "incomingWebhookPlatform", "eventProperties"}
    assert (pattern["eventName"], pattern["incomingWebhookPlatform"] in {None, "null"}) == (EVENT, True)
    assert api.get(f"/event-patterns/{pattern['id']}").json() == pattern
    page = api.get("/event-patterns", params={"perPage": 50}).json()
    assert set(page["pagination"]) == {
        *("totalResults", "returnedResults", "perPage", "totalPages", "nextCursor", "nextPage"),
    }
    assert all(set(each) == {"id", "eventName", "incomingWebhookPlatform"} for each in page["data"])
    assert api.get("/event-patterns", params={"perPage": 9}).status_code == 400
