"""The client `loops-sdk`: every documented call of contacts, properties, lists and events."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
from loops_sdk import APIError, LoopsClient  # type: ignore[import-not-found]  # installed for the test alone

url, key, user = sys.argv[1:]
email, mailing_list = f"{user}@example.com", "clxf1nxlb000t0ml79ajwcsj0"


def refused(status: int, call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    with pytest.raises(APIError) as raised:
        call(*args, **kwargs)
    assert (raised.value.status_code, raised.value.json["success"]) == (status, False)


loops = LoopsClient(key, url)
assert loops.test_api_key()["success"]
refused(401, LoopsClient("unknown", url).test_api_key)

# Without lists it sends null for them.
contact_id = loops.create_contact(email, {"userId": user, "firstName": "Ada"})["id"]
refused(409, loops.create_contact, email)
assert loops.update_contact(email, {"seats": 3}, {mailing_list: True}) == {"success": True, "id": contact_id}
(contact,) = loops.find_contact(user_id=user)
assert (contact["id"], contact["seats"], contact["mailingLists"]) == (contact_id, 3, {mailing_list: True})
assert loops.find_contact(email="nobody@example.com") == []

assert loops.create_contact_property(f"plan{user}", "date") == {"success": True}
refused(400, loops.create_contact_property, f"plan{user}", "date")
assert {"key": "email", "label": "Email", "type": "string"} in loops.get_custom_properties()
assert f"plan{user}" in [each["key"] for each in loops.get_custom_properties("custom")]
assert mailing_list in [each["id"] for each in loops.get_mailing_lists()]

headers = {"Idempotency-Key": f"key {user}"}
assert loops.send_event(event_name="Signed Up", email=email, headers=headers) == {"success": True}
refused(409, loops.send_event, event_name="Signed Up", email=email, headers=headers)
properties: dict[str, Any] = {"contact_properties": {"seats": 4}, "event_properties": {"amount": 5}}
assert loops.send_event(event_name="Paid", user_id=user, mailing_lists={mailing_list: False}, **properties)["success"]
refused(400, loops.send_event, event_name="Paid", user_id="nobody")

assert loops.delete_contact(user_id=user)["success"]
refused(404, loops.delete_contact, email=email)
