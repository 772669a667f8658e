"""Contact properties and event patterns, as they are read (docs/loops.md#other-endpoints)."""

import httpx
import pytest

from .calls import ADA, answer, send


def test_8_5_properties(api: httpx.Client) -> None:
    assert answer(api.post("/contacts/properties", json={"name": "planName", "type": "string"})) == (
        200,
        {"success": True},
    )
    custom = api.get("/contacts/properties", params={"list": "custom"}).json()
    assert custom == [{"key": "planName", "label": "Plan Name", "type": "string"}]
    assert {"key": "createdAt", "label": "Created At", "type": "date"} in api.get("/contacts/properties").json()
    assert api.get("/contacts/properties", params={"list": "some"}).status_code == 400


def test_8_6_event_patterns_are_paged(api: httpx.Client) -> None:
    names = [f"Event {number}" for number in range(25)]
    for name in names:
        send(api, email=ADA, eventName=name, eventProperties={"amount": 1})
    first = api.get("/event-patterns").json()
    assert [each["eventName"] for each in first["data"]] == names[:20]
    assert (first["pagination"]["totalResults"], first["pagination"]["totalPages"]) == (25, 2)
    second = api.get("/event-patterns", params={"perPage": 20, "cursor": first["pagination"]["nextCursor"]}).json()
    assert [each["eventName"] for each in second["data"]] == names[20:]
    assert second["pagination"]["nextCursor"] is None


@pytest.mark.parametrize("query", ["perPage=9", "perPage=51", "perPage=ten", "cursor=nope"])
def test_8_6_bad_paging(api: httpx.Client, query: str) -> None:
    assert api.get(f"/event-patterns?{query}").status_code == 400


def test_8_6_one_event_pattern(api: httpx.Client) -> None:
    send(api, email=ADA, eventName="a/b Paid", eventProperties={"amount": 1})
    found = api.get("/event-patterns/by-name/a/b Paid").json()
    assert found == {
        "id": found["id"],
        "eventName": "a/b Paid",
        "incomingWebhookPlatform": "null",
        "eventProperties": [{"name": "amount", "type": "number"}],
    }
    summary = {name: value for name, value in found.items() if name != "eventProperties"}
    assert api.get("/event-patterns").json()["data"] == [summary]
    assert api.get(f"/event-patterns/{found['id']}").json() == found
    assert api.get("/event-patterns/by-name/a/b paid").status_code == 404
    assert api.get("/event-patterns/nope").status_code == 404


def test_dedicated_sending_ips(api: httpx.Client) -> None:
    assert all(address.startswith("192.0.2.") for address in api.get("/dedicated-sending-ips").json())
