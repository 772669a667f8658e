"""Who gets in, and which forms are taken."""

import httpx
import pytest
from fakeredis import FakeRedis, FakeServer
from redis import AuthenticationError

from segue_worker.dashboard import create_app
from segue_worker.dashboard.context import Dashboard
from segue_worker.dashboard.sessions import SESSION_S, Sessions

from .conftest import KEYS, ORIGIN, TOKEN, FrozenClock, HttpVisitor

ROUTES = {(route.path, method) for route in create_app(None).routes for method in getattr(route, "methods", None) or ()}  # type: ignore[arg-type, attr-defined]
PUBLIC = {"/sign-in", "/healthz", "/metrics"}


def _address(path: str) -> str:
    return (
        path.replace("{destination}", "loops").replace("{letter}", "x").replace("{handle}", "x").replace("{job}", "x")
    )


@pytest.mark.parametrize("path", sorted(path for path, method in ROUTES if method == "GET" and path not in PUBLIC))
async def test_no_page_is_shown_to_a_stranger(stranger: HttpVisitor, path: str) -> None:
    answer = await stranger.get(_address(path))
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?next=")


@pytest.mark.parametrize("path", sorted(path for path, method in ROUTES if method == "POST"))
async def test_no_form_is_taken_without_its_csrf_token_or_from_elsewhere(visitor: HttpVisitor, path: str) -> None:
    address = _address(path)
    right = visitor.csrf
    for csrf, origin in (
        ("", ORIGIN),
        ("0" * 64, ORIGIN),
        ("ä", ORIGIN),
        (right, None),
        (right, "null"),
        (right, "http://["),
        (right, "http://elsewhere.test"),
        (right, f"{ORIGIN}.elsewhere.test"),
    ):
        assert (await visitor.post(address, {"csrf": csrf}, origin=origin)).status_code == 403, (csrf, origin)


@pytest.mark.parametrize("path", ["/sign-in", "/lookup"])
async def test_a_referer_that_is_no_url_is_from_elsewhere(visitor: HttpVisitor, path: str) -> None:
    fields = {"csrf": visitor.csrf}
    assert (await visitor.client.post(path, data=fields, headers={"referer": "http://[::1"})).status_code == 403


@pytest.mark.parametrize("path", sorted(path for path, method in ROUTES if method == "POST" and path not in PUBLIC))
async def test_a_stranger_with_a_session_may_only_sign_in(stranger: HttpVisitor, redis: FakeRedis, path: str) -> None:
    await stranger.get("/sign-in")
    assert (await stranger.post(_address(path), {})).headers["location"].startswith("/sign-in")
    assert not redis.exists(KEYS.paused)


async def test_a_session_of_another_browser_has_another_csrf_token(visitor: HttpVisitor, dashboard: Dashboard) -> None:
    other = dashboard.sessions.csrf_token(dashboard.sessions.begin(signed_in=True))
    assert (await visitor.post("/pause/loops", {"csrf": other})).status_code == 403


async def test_the_token_opens_and_another_does_not(stranger: HttpVisitor) -> None:
    answer = await stranger.sign_in(TOKEN + "x")
    assert answer.status_code == 403
    assert "That is not the token." in answer.text
    assert (await stranger.get("/")).status_code == 303
    answer = await stranger.sign_in(next="/retries?said=now")
    assert (answer.status_code, answer.headers["location"]) == (303, "/retries?said=now")
    assert (await stranger.get("/")).status_code == 200


@pytest.mark.parametrize("path", ["https://elsewhere.test/", "//elsewhere.test/", "/\\elsewhere.test", "", "/\n/x"])
async def test_signing_in_leads_nowhere_else(stranger: HttpVisitor, path: str) -> None:
    assert (await stranger.sign_in(next=path)).headers["location"] == "/"


async def test_the_session_cookie_is_kept_from_scripts_and_other_sites(stranger: HttpVisitor) -> None:
    before = (await stranger.get("/sign-in")).headers["set-cookie"]
    after = (await stranger.sign_in()).headers["set-cookie"]
    assert before.split(";")[0] != after.split(";")[0]
    for cookie in (before, after):
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in after


async def test_over_https_the_cookie_stays_there(dashboard: Dashboard) -> None:
    transport = httpx.ASGITransport(create_app(dashboard))
    async with httpx.AsyncClient(transport=transport, base_url="https://dashboard.test") as client:
        assert "Secure" in (await client.get("/sign-in")).headers["set-cookie"]


async def test_a_session_that_was_ended_is_worth_nothing(visitor: HttpVisitor) -> None:
    cookie = visitor.client.cookies["segue_session"]
    assert (await visitor.post("/sign-out", {})).headers["location"] == "/sign-in"
    visitor.client.cookies.set("segue_session", cookie)
    assert (await visitor.get("/")).status_code == 303


def test_a_forged_or_foreign_session_is_none() -> None:
    own, other = Sessions(TOKEN), Sessions(TOKEN)
    session = own.begin(signed_in=True)
    cookie = own.write(session)
    assert own.read(cookie) == session
    assert other.read(cookie) is None
    # Not the last character: some of its bits mean nothing.
    assert own.read(cookie[:-2] + ("A" if cookie[-2] != "A" else "B") + cookie[-1]) is None
    assert own.read("") is own.read(None) is None


async def test_guessing_is_slowed_down_for_a_minute(stranger: HttpVisitor, clock: FrozenClock) -> None:
    for _ in range(5):
        assert (await stranger.sign_in("not-the-token-at-all")).status_code == 403
    answer = await stranger.sign_in()
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "60"
    clock.now += 61
    assert (await stranger.sign_in()).status_code == 303


def test_a_short_token_is_refused() -> None:
    with pytest.raises(ValueError, match="fewer than 16 characters"):
        Sessions("short")


def test_sessions_that_ended_long_ago_are_forgotten(clock: FrozenClock) -> None:
    sessions = Sessions(TOKEN, clock=clock)
    sessions.end(sessions.begin(signed_in=True))
    clock.now += SESSION_S + 1
    sessions.end(sessions.begin(signed_in=True))
    assert len(sessions._ended) == 1


@pytest.mark.parametrize("path", ["/sign-in", "/", "/nowhere", "/healthz", "/static/live.js", "/series/loops"])
async def test_every_answer_carries_the_headers(visitor: HttpVisitor, path: str) -> None:
    headers = (await visitor.get(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == ("max-age=3600" if path.startswith("/static") else "no-store")


async def test_a_form_beyond_all_measure_is_refused(visitor: HttpVisitor) -> None:
    assert (await visitor.post("/lookup", {"query": "x" * (1024 * 1024)})).status_code == 413


async def test_machines_are_answered_without_a_token(stranger: HttpVisitor) -> None:
    assert (await stranger.get("/healthz")).text == "ok\n"
    answer = await stranger.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'destination="loops"' in answer.text


async def test_without_redis_it_says_so(visitor: HttpVisitor, server: FakeServer) -> None:
    server.connected = False
    for path in ("/", "/healthz"):
        answer = await visitor.get(path)
        assert answer.status_code == 503
        assert "Redis did not answer" in answer.text


async def test_a_redis_that_refuses_the_password_is_told_as_that(
    stranger: HttpVisitor, redis: FakeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise AuthenticationError

    monkeypatch.setattr(redis, "ping", refuse)
    answer = await stranger.get("/healthz")
    assert (answer.status_code, "check the user and password in its URL" in answer.text) == (503, True)
