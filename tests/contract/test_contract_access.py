import httpx
import pytest


def test_api_key_names_the_team(api: httpx.Client) -> None:
    answer = api.get("/api-key")
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert isinstance(answer.json()["teamName"], str)


@pytest.mark.parametrize("header", ["Bearer no-such-key", "no-scheme"])
def test_a_bad_key_is_401(api: httpx.Client, header: str) -> None:
    answer = api.get("/api-key", headers={"Authorization": header})
    assert (answer.status_code, answer.json()["success"]) == (401, False)
    assert isinstance(answer.json()["message"], str)


def test_rate_headers_count_down(api: httpx.Client) -> None:
    headers = api.get("/api-key").headers
    assert 0 <= int(headers["x-ratelimit-remaining"]) < int(headers["x-ratelimit-limit"])


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/contacts/update"), ("GET", "/events/send")])
def test_a_wrong_method_is_405(api: httpx.Client, method: str, path: str) -> None:
    assert api.request(method, path).status_code == 405


@pytest.mark.parametrize("path", ["/no-such-thing", "/contacts/batch"])
def test_an_unknown_path_is_404_and_no_json(api: httpx.Client, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


def test_lists_have_the_documented_fields(api: httpx.Client) -> None:
    answer = api.get("/lists")
    assert answer.status_code == 200
    for each in answer.json():
        assert {"id", "name", "description", "isPublic"} <= each.keys()


def test_properties_have_key_label_and_type(api: httpx.Client) -> None:
    listed = {each["key"]: each["type"] for each in api.get("/contacts/properties", params={"list": "all"}).json()}
    assert (listed["firstName"], listed["subscribed"], listed["createdAt"]) == ("string", "boolean", "date")
    custom = {each["key"] for each in api.get("/contacts/properties", params={"list": "custom"}).json()}
    assert custom.isdisjoint({"firstName", "subscribed", "createdAt"})


def test_a_known_property_cannot_be_created(api: httpx.Client) -> None:
    answer = api.post("/contacts/properties", json={"name": "firstName", "type": "string"})
    assert (answer.status_code, answer.json()["success"]) == (400, False)
