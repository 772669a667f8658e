"""Keys, routes, methods (docs/loops.md#keys-paths-and-transport), rate limit (docs/loops.md#rate-limit)."""

import httpx
import pytest

from segue_sandbox.core import Sandbox
from tests.unit.sandbox.in_process import ManualClock

from .calls import ADA, answer, refused, send, update

UNAUTHORIZED = (401, {"success": False, "message": "Invalid API key", "error": "Invalid API key"})


def test_1_1_answers_are_json(api: httpx.Client) -> None:
    assert api.get("/api-key").headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "header", [None, "", "sandbox-acme", "Basic sandbox-acme", "Bearer ", "Bearer other", "Bearer sandbox-"]
)
@pytest.mark.parametrize("path", ["/api-key", "/contacts/update", "/events/send"])
def test_1_2_bad_keys(sandbox: Sandbox, api: httpx.Client, header: str | None, path: str) -> None:
    del api.headers["Authorization"]
    headers = {} if header is None else {"Authorization": header}
    response = api.post(path, headers=headers, json={"email": ADA})
    assert answer(response) == UNAUTHORIZED
    assert sandbox.teams == {}


def test_1_2_given_keys_are_the_only_ones(clock: ManualClock) -> None:
    sandbox = Sandbox(api_keys=("k1", "k2=beta"), clock=clock)
    teams = [sandbox.keys.team_of(f"Bearer {key}") for key in ("k1", "k2", "sandbox-acme", "k2=beta")]
    assert teams == ["sandbox", "beta", None, None]


def test_1_3_teams_are_separate_and_keys_of_a_team_are_not(sandbox: Sandbox, api: httpx.Client) -> None:
    ids = []
    for key in ("sandbox-acme", "sandbox-acme.second", "sandbox-other"):
        headers = {"Authorization": f"Bearer {key}"}
        ids.append(api.put("/contacts/update", json={"email": ADA}, headers=headers).json()["id"])
        status = api.post(
            "/events/send", json={"email": ADA, "eventName": "E"}, headers={**headers, "Idempotency-Key": "k"}
        )
        ids.append(status.status_code)
    assert ids[0] == ids[2] != ids[4]
    assert [ids[1], ids[3], ids[5]] == [200, 409, 200]
    assert [sandbox.teams[name].limiter.accepted_total for name in ("acme", "other")] == [4, 2]


def test_1_3_a_revoked_key_is_refused_at_once(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.keys.revoke("sandbox-acme")
    assert answer(api.get("/api-key")) == UNAUTHORIZED
    sandbox.keys.restore("sandbox-acme")
    assert api.get("/api-key").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api-key"),
        ("GET", "/contacts/update"),
        ("PUT", "/events/send"),
        ("PATCH", "/lists"),
        ("OPTIONS", "/lists"),
    ],
)
def test_1_4_wrong_method(api: httpx.Client, method: str, path: str) -> None:
    response = api.request(method, path)
    assert answer(response) == refused(405, "Method not allowed")
    assert "x-ratelimit-limit" in response.headers


@pytest.mark.parametrize(
    "path", ["/nope", "/events", "/contacts", "/contacts/update/", "/contacts/batch", "/event-patterns/"]
)
def test_1_7_and_8_7_unknown_paths_are_html(api: httpx.Client, path: str) -> None:
    response = api.get(path, headers={"Authorization": "nonsense"})
    assert (response.status_code, response.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "<html>" in response.text


def test_1_8_and_1_9_no_cors_no_request_id(api: httpx.Client) -> None:
    headers = api.get("/api-key", headers={"Origin": "https://example.com", "User-Agent": ""}).headers
    assert set(headers) == {"content-type", "content-length", "x-ratelimit-limit", "x-ratelimit-remaining"}


def test_1_10_api_key(api: httpx.Client) -> None:
    assert answer(api.get("/api-key")) == (200, {"success": True, "teamName": "acme"})


def test_2_1_to_2_3_limit_over_endpoints_keys_and_errors(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.change_switches({"rate_limit": 4})
    other_key = {"Authorization": "Bearer sandbox-acme.other"}
    responses = [
        api.get("/api-key"),
        update(api, email=ADA),
        api.get("/lists", headers=other_key),
        update(api, plan="pro"),
        send(api, email=ADA),
    ]
    assert [response.status_code for response in responses] == [200, 200, 200, 400, 429]
    assert [response.headers["x-ratelimit-limit"] for response in responses] == ["4"] * 5
    assert [response.headers["x-ratelimit-remaining"] for response in responses] == ["3", "2", "1", "0", "0"]
    assert answer(responses[-1]) == refused(429, "Rate limit exceeded")
    assert api.get("/lists", headers={"Authorization": "Bearer sandbox-other"}).status_code == 200


def test_2_2_no_headers_where_no_team_is_known(api: httpx.Client) -> None:
    assert "x-ratelimit-limit" not in api.get("/lists", headers={"Authorization": "Bearer nobody"}).headers


def test_2_7_a_429_changes_nothing(sandbox: Sandbox, clock: ManualClock, api: httpx.Client) -> None:
    sandbox.change_switches({"rate_limit": 1})
    api.get("/lists")
    assert send(api, "key", email=ADA).status_code == 429
    assert (len(sandbox.team("acme").contacts), sandbox.events) == (0, [])
    clock.tick(1)
    assert send(api, "key", email=ADA).status_code == 200
