"""Who is behind an address, whom to believe, and which forms are the dashboard's own behind a proxy."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from segue_worker.dashboard import Dashboard, create_app
from segue_worker.dashboard.proxy import client_of, origin_of, trusted_proxies
from segue_worker.dashboard.throttle import FAILURES_OF_AN_ADDRESS, WINDOW_S, Throttle

from .conftest import FrozenClock, HttpVisitor

PUBLIC = "https://segue.example.com"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://segue.example.com", PUBLIC),
        (" https://segue.example.com:443/ ", PUBLIC),
        ("HTTPS://Segue.Example.com", PUBLIC),
        ("http://localhost:8720", "http://localhost:8720"),
        ("http://[::1]:80/", "http://[::1]"),
    ],
)
def test_a_public_url_is_read_as_browsers_write_it(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_clients_are_told_apart_by_what_they_cannot_choose(address: str, client: str) -> None:
    assert client_of(address) == client


def test_everybody_is_believed_only_where_that_is_said() -> None:
    assert trusted_proxies(" * ") == ["*"]
    assert trusted_proxies("") == []
    with pytest.raises(ValueError, match=r"192\.0\.2\.300"):
        trusted_proxies("10.0.0.1, 192.0.2.300")


def test_who_changes_within_a_network_is_slowed_down_and_others_are_not(clock: FrozenClock) -> None:
    throttle = Throttle(clock=clock)
    for host in range(FAILURES_OF_AN_ADDRESS):
        throttle.failed(f"2001:db8::{host:x}")
    assert throttle.wait_s("2001:db8::ffff") == WINDOW_S
    assert throttle.wait_s("2001:db8:0:1::1") == 0


@pytest.fixture
async def behind_a_proxy(dashboard: Dashboard) -> AsyncIterator[HttpVisitor]:
    """Somebody who sees a public address, while the dashboard is asked under an inner one."""
    app = create_app(replace(dashboard, public_origin=PUBLIC))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://inner.test:8720") as client:
        yield HttpVisitor(client)


async def test_forms_of_the_public_address_are_taken_and_cookies_stay_with_https(behind_a_proxy: HttpVisitor) -> None:
    first = await behind_a_proxy.get("/sign-in")
    assert "Secure" in first.headers["set-cookie"]
    # The client here sends no Secure cookie over http, as a proxy does.
    behind_a_proxy.client.headers["cookie"] = first.headers["set-cookie"].split(";")[0]
    fields = {"token": "a-token-for-tests-only"}
    for origin in ("https://inner.test", "http://segue.example.com", f"{PUBLIC}:8443", f"{PUBLIC}.elsewhere.test"):
        refused = await behind_a_proxy.post("/sign-in", fields, origin=origin)
        assert refused.status_code == 403, origin
        assert "--public-url" in refused.text
    answer = await behind_a_proxy.post("/sign-in", fields, origin=PUBLIC)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "Secure" in answer.headers["set-cookie"]


async def test_a_browser_that_says_itself_where_a_form_comes_from_is_believed(visitor: HttpVisitor) -> None:
    headers = {"origin": "https://segue.example.com", "sec-fetch-site": "same-origin"}
    answer = await visitor.client.post("/lookup", data={"csrf": visitor.csrf, "query": "x"}, headers=headers)
    assert answer.status_code == 200
    for site in ("cross-site", "same-site", "none"):
        headers["sec-fetch-site"] = site
        answer = await visitor.client.post("/lookup", data={"csrf": visitor.csrf, "query": "x"}, headers=headers)
        assert answer.status_code == 403, site
