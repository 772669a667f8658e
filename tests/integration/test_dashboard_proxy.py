"""The dashboard behind a proxy that ends TLS and rewrites `Host`: forms, cookies, and who is slowed down."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect

from tests import needs

from .browser import TOKEN, DashboardProcess, Visitor, open_browser
from .reverse_proxy import ReverseProxy
from .stack import MakeStack, Stack

pytestmark = needs.openssl
PUBLIC = "https://segue.example.com"


@pytest.fixture
def stack(make_stack: MakeStack) -> Stack:
    return make_stack()


class Client:
    """Somebody behind the proxy, with cookies."""

    def __init__(self, proxy: ReverseProxy, address: str, **headers: str) -> None:
        self.origin = proxy.url
        self.http = httpx.Client(base_url=proxy.url, verify=False, headers={"x-test-client": address, **headers})  # noqa: S501 - a certificate of this test

    def sign_in(self, token: str, *, origin: str | None = None) -> httpx.Response:
        with self.http:
            form = self.http.get("/sign-in").text
            found = re.search(r'name="csrf" value="(\w+)"', form)
            assert found
            fields = {"csrf": found[1], "token": token}
            return self.http.post("/sign-in", data=fields, headers={"origin": origin or self.origin})


@pytest.fixture
def dashboard(stack: Stack) -> Iterator[DashboardProcess]:
    with DashboardProcess(stack, "--public-url", PUBLIC) as process:
        yield process


@needs.chromium
async def test_people_sign_in_and_send_forms_through_it(stack: Stack, tmp_path: Path) -> None:
    with DashboardProcess(stack) as dashboard, ReverseProxy(dashboard.url, tmp_path) as proxy:
        async with open_browser() as browser:
            context = await browser.new_context(ignore_https_errors=True)
            visitor = await Visitor(await context.new_page(), proxy.url).signed_in()
            (cookie,) = await context.cookies()
            assert cookie["secure"]
            assert cookie["httpOnly"]
            assert cookie["sameSite"] == "Strict"
            await visitor.go("/pause/loops")
            await visitor.page.get_by_role("button", name="Pause loops").click()
            await expect(visitor.page.get_by_text("paused by hand").first).to_be_visible()
            await visitor.page.get_by_role("button", name="Sign out").click()
            await expect(visitor.page.get_by_label("Token")).to_be_visible()
            assert visitor.errors == []


def test_who_fails_is_slowed_down_and_others_are_not(dashboard: DashboardProcess, tmp_path: Path) -> None:
    with ReverseProxy(dashboard.url, tmp_path) as proxy:
        # What a client claims of itself stands before what the proxy adds, and is not believed.
        claims = [{"x-forwarded-for": f"198.51.100.{number}"} for number in range(6)]
        failed = [
            Client(proxy, "192.0.2.1", **claim).sign_in("not-the-token-at-all", origin=PUBLIC) for claim in claims
        ]
        statuses = [each.status_code for each in failed]
        assert statuses == [403] * 5 + [429]
        assert Client(proxy, "192.0.2.2").sign_in(TOKEN, origin=PUBLIC).status_code == 303
        # A browser that says nothing itself, and an origin that is not the public one.
        assert Client(proxy, "192.0.2.3").sign_in(TOKEN).status_code == 403


def test_a_client_that_is_no_proxy_is_not_believed(stack: Stack) -> None:
    with DashboardProcess(stack, "--forwarded-allow-ips", "192.0.2.0/24") as dashboard:
        statuses = []
        for number in range(6):
            with httpx.Client(base_url=dashboard.url, headers={"x-forwarded-for": f"198.51.100.{number}"}) as http:
                answer = http.get("/sign-in", headers={"x-forwarded-proto": "https"})
                assert "Secure" not in answer.headers["set-cookie"]
                found = re.search(r'name="csrf" value="(\w+)"', answer.text)
                assert found
                fields = {"csrf": found[1], "token": "not-the-token-at-all"}
                statuses.append(http.post("/sign-in", data=fields, headers={"origin": dashboard.url}).status_code)
        assert statuses == [403] * 5 + [429]
