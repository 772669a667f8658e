"""What the API tells of a team: properties, lists, addresses that mail is sent from."""

import httpx


def test_properties_have_key_label_and_type(api: httpx.Client) -> None:
    found = api.get("/contacts/properties", params={"list": "all"}).json()
    assert all(set(each) == {"key", "label", "type"} for each in found)
    types = {each["key"]: each["type"] for each in found}
    assert (types["email"], types["subscribed"], types["createdAt"]) == ("string", "boolean", "date")
    assert api.post("/contacts/properties", json={"name": "email", "type": "string"}).status_code == 400


def test_lists_have_id_name_description_and_whether_they_are_public(api: httpx.Client) -> None:
    found = api.get("/lists").json()
    assert all(set(each) == {"id", "name", "description", "isPublic"} for each in found)


def test_addresses_are_texts(api: httpx.Client) -> None:
    assert all(isinstance(each, str) for each in api.get("/dedicated-sending-ips").json())
