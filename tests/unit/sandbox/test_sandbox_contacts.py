"""Which contact a request is about (docs/loops.md#finding-the-contact)."""

from typing import NamedTuple

import httpx
import pytest

from .calls import ADA, Json, answer, find, refused, update


def test_5_2_create(api: httpx.Client) -> None:
    update(api, email=ADA, userId="u1")
    update(api, email="b@example.com", subscribed=False)
    assert (find(api, email=ADA)["userId"], find(api, email=ADA)["subscribed"]) == ("u1", True)
    assert find(api, email="b@example.com")["subscribed"] is False


class Known(NamedTuple):
    rule: str
    body: Json
    email: str = ADA
    user_id: str = "u1"


KNOWN = [
    Known("by email", {"email": ADA}),
    Known("by userId", {"userId": "u1"}),
    Known("by both", {"email": ADA, "userId": "u1"}),
    Known("a new email", {"email": "new@example.com", "userId": "u1"}, email="new@example.com"),
    Known("a new userId", {"email": ADA, "userId": "u2"}, user_id="u2"),
]


@pytest.mark.parametrize("case", KNOWN, ids=lambda case: case.rule)
@pytest.mark.parametrize("path", ["/contacts/update", "/events/send"])
def test_5_lookup_of_a_known_contact(api: httpx.Client, path: str, case: Known) -> None:
    contact = update(api, email=ADA, userId="u1").json()["id"]
    assert api.post(path, json={**case.body, "eventName": "E", "plan": "pro"}).status_code == 200
    for shown in (find(api, email=case.email), find(api, userId=case.user_id)):
        assert (shown["id"], shown["email"], shown["userId"]) == (contact, case.email, case.user_id)
        assert shown["plan"] == "pro"
    assert len(api.get("/contacts/find", params={"email": ADA}).json()) == (case.email == ADA)
    assert len(api.get("/contacts/find", params={"userId": "u1"}).json()) == (case.user_id == "u1")


@pytest.mark.parametrize("path", ["/contacts/update", "/events/send"])
def test_5_5_two_contacts(api: httpx.Client, path: str) -> None:
    update(api, email=ADA, userId="u1")
    update(api, email="b@example.com", userId="u2")
    response = api.post(path, json={"email": ADA, "userId": "u2", "eventName": "E", "plan": "pro"})
    assert answer(response) == refused(400, "Multiple contacts found for the given criteria")
    assert "plan" not in find(api, email=ADA)


def test_5_8_id_is_stable_for_life(api: httpx.Client) -> None:
    contact = update(api, email=ADA).json()["id"]
    assert contact[0] == "c"
    assert len(contact) == 25
    assert contact.isalnum()
    update(api, email=ADA, userId="u1")
    assert update(api, email="new@example.com", userId="u1").json() == {"success": True, "id": contact}


def test_5_9_to_5_11_repeats_are_alike_whatever_the_key(api: httpx.Client) -> None:
    answers = [
        answer(api.put("/contacts/update", json={"email": ADA, "plan": "pro"}, headers={"Idempotency-Key": "same"}))
        for _ in range(3)
    ]
    assert answers[0][0] == 200
    assert answers == answers[:1] * 3


@pytest.mark.parametrize("body", [{"email": ADA.upper()}, {"email": "b@example.com", "userId": "u1"}])
def test_8_1_create_only_once(api: httpx.Client, body: Json) -> None:
    created = api.post("/contacts/create", json={"email": ADA, "userId": "u1", "plan": "pro"})
    assert answer(created) == (200, {"success": True, "id": find(api, email=ADA)["id"]})
    assert answer(api.post("/contacts/create", json=body)) == refused(409, "Email or userId is already on list.")


def test_8_2_find(api: httpx.Client) -> None:
    assert answer(api.get("/contacts/find", params={"email": ADA})) == (200, [])
    update(api, email=ADA, plan="pro")
    assert find(api, email=ADA) == {
        "id": update(api, email=ADA).json()["id"],
        "email": ADA,
        "firstName": None,
        "lastName": None,
        "source": "API",
        "subscribed": True,
        "userGroup": "",
        "userId": None,
        "mailingLists": {},
        "optInStatus": None,
        "plan": "pro",
    }


@pytest.mark.parametrize("query", ["", "email=&userId=", "email=ada@example.com&userId=u1", "email=nonsense"])
def test_8_2_find_needs_exactly_one(api: httpx.Client, query: str) -> None:
    assert api.get(f"/contacts/find?{query}").status_code == 400


@pytest.mark.parametrize("by", [{"email": ADA}, {"userId": "u1"}])
def test_8_3_delete(api: httpx.Client, by: Json) -> None:
    first = update(api, email=ADA, userId="u1").json()["id"]
    assert answer(api.post("/contacts/delete", json=by)) == (200, {"success": True, "message": "Contact deleted."})
    assert api.get("/contacts/find", params=by).json() == []
    assert update(api, email=ADA, userId="u1").json()["id"] != first
