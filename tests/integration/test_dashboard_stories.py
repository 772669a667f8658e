"""Six stories of somebody on call, played in a real browser: from the overview to the answer in at most two clicks."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal, Self

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests import needs

from .browser import DashboardProcess, Visitor, visit
from .stack import KEYS, MakeStack, Stack, bodies, wait_until

pytestmark = needs.chromium

SCREENSHOTS = os.environ.get("SEGUE_SCREENSHOTS")
"""A folder for a picture of each answer, if any."""
CLICKS: Final = 2
SOON_MS: Final = 15_000
LOOKS: Final[tuple[tuple[Literal["light", "dark"], int], ...]] = (
    ("light", 1280),
    ("dark", 1280),
    ("light", 390),
    ("dark", 390),
)
MAPPINGS: Final = [
    {"name": "Sync contacts", "action": "createOrUpdateContact"},
    {"name": "Send events", "action": "sendEvent"},
]


@pytest.fixture
def stack(make_stack: MakeStack) -> Stack:
    return make_stack(rate_limit=50, mappings=MAPPINGS)


class OnCall:
    """Somebody who has just signed in, and counts clicks."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.page: Page = visitor.page
        self.clicks = 0

    async def click(self, what: Locator) -> Self:
        self.clicks += 1
        assert self.clicks <= CLICKS
        await what.click()
        return self

    async def open(self, name: str) -> Self:
        """Follow a link of the navigation."""
        return await self.click(
            self.page.get_by_role("navigation", name="Pages").get_by_role("link", name=name, exact=True)
        )

    def row(self, text: str) -> Locator:
        return self.page.get_by_role("row").filter(has_text=text)


@asynccontextmanager
async def on_call(browser: Browser, dashboard: DashboardProcess, story: str) -> AsyncIterator[OnCall]:
    """A person at the overview. Where the story ends the page is accessible, and fits every screen."""
    async with visit(browser, dashboard) as visitor:
        person = OnCall(await visitor.signed_in())
        yield person
        for scheme, width in LOOKS:
            await person.page.emulate_media(color_scheme=scheme)
            await person.page.set_viewport_size({"width": width, "height": 900})
            assert await visitor.issues() == [], (story, scheme, width)
            assert await person.page.evaluate("document.documentElement.scrollWidth") <= width
            if SCREENSHOTS:
                path = Path(SCREENSHOTS) / f"story-{story}-{scheme}-{width}.png"
                await person.page.screenshot(path=path, full_page=True)
        assert visitor.errors == []


def track(stack: Stack, user: str, event: str, **properties: Any) -> str:
    context = {"traits": {"email": f"{user}@example.com"}}
    return stack.producer.track(user, event, {"plan": "Pro", **properties}, context=context)


async def test_letters_rise(stack: Stack, dashboard: DashboardProcess, browser: Browser) -> None:
    """Which of all the letters are new, and what is wrong with them?"""
    stack.worker()
    stack.sandbox.faults([{"status": 400, "event": "Upgraded"}, {"status": 404, "event": "Churned", "body": "quote"}])
    for number in range(12):
        track(stack, f"user-{number:04}", "Upgraded")
    track(stack, "user-0001", "Signed Up")
    stack.wait_delivered()
    async with on_call(browser, dashboard, "letters") as person:
        await expect(person.page.get_by_role("region", name="Is anybody working")).to_contain_text("dead letters")
        await person.click(person.row("loops").get_by_role("link", name="12"))
        cause = person.page.get_by_role("table").first.get_by_role("row").filter(has_text="Upgraded")
        for text in ("refused", "400", "Bad Request", "Send events", "12"):
            await expect(cause).to_contain_text(text)
        await person.click(cause.get_by_role("link", name="an example"))
        await expect(person.page.get_by_role("region", name="Body of the request")).to_contain_text("Upgraded")


async def test_she_did_not_get_the_welcome_email(stack: Stack, dashboard: DashboardProcess, browser: Browser) -> None:
    """Was it sent, and what did Loops say?"""
    stack.worker()
    stack.producer.identify("user-0042", {"email": "Ada@Example.com"})
    message_id = track(stack, "user-0042", "Welcome")
    track(stack, "user-0043", "Welcome")
    stack.wait_delivered()
    async with on_call(browser, dashboard, "welcome") as person:
        await person.open("Look up")
        await person.page.get_by_label("messageId, userId").fill("ada@example.com")
        await person.click(person.page.get_by_role("button", name="Look up"))
        event = person.page.get_by_role("region", name="Welcome")
        await expect(event).to_have_count(1)
        await expect(event).to_contain_text("delivered")
        await expect(event).to_contain_text(message_id)
        await expect(event).to_contain_text(re.compile(r"attempt 1: /events/send for 'Send events': 200 in \d+ ms"))
        assert "user-0042" not in await person.page.content()


async def test_loops_is_slow(make_stack: MakeStack, browser: Browser) -> None:
    """Is it we, the limit, or Loops?"""
    stack = make_stack(rate_limit=50, mappings=MAPPINGS, sandbox={"latency_ms": 400})
    stack.worker()
    for number in range(20):
        track(stack, f"user-{number:04}", "Signed Up")
    stack.wait_delivered()
    with DashboardProcess(stack) as dashboard:
        async with on_call(browser, dashboard, "slow") as person:
            split = person.page.locator("figure", has_text="Where the time goes")
            # The last values are shown without the pointer; what took the longest stands there in plain units.
            await expect(split).to_contain_text(re.compile(r"Loops\s*[4-7]\d\d ms"), timeout=SOON_MS)
            latency = person.page.locator("figure", has_text="Latency")
            await expect(latency).to_contain_text(re.compile(r"Loops p95\s*[\d.]+ (ms|s)"))
            await latency.locator(".u-over").hover()
            await expect(latency).to_contain_text(re.compile(r"\d+ \w{3} \d\d:\d\d UTC"))
            await person.click(person.page.get_by_role("link", name="The same numbers as a table"))
            await expect(person.page.get_by_role("columnheader", name="at Loops")).to_be_visible()


async def test_a_wrong_mapping_was_deployed(stack: Stack, dashboard: DashboardProcess, browser: Browser) -> None:
    """What do the workers run, is it what the file says, and what has it done?"""
    right = stack.config.read_text()
    fields = "fields: {firstName: {'@path': $.traits.frist_name}}, trigger: 'type = \"idenfity\"'"
    stack.config.write_text(
        right.replace("{action: createOrUpdateContact", "{" + fields + ", action: createOrUpdateContact")
    )
    assert stack.config.read_text() != right
    stack.worker()
    wait_until(lambda: bool(stack.redis.exists(KEYS.measured)))
    for number in range(5):
        stack.producer.identify(f"user-{number:04}", {"email": f"u{number}@example.com"})
    stack.wait_delivered()
    stack.config.write_text(right)
    async with on_call(browser, dashboard, "mapping") as person:
        await expect(person.page.get_by_text("restart the workers to apply it")).to_be_visible()
        await person.open("Mappings")
        await expect(person.page.get_by_role("heading", name="loops: what 1 worker runs")).to_be_visible()
        row = person.row("Sync contacts")
        await expect(row).to_contain_text("the file has another trigger, firstName")
        await expect(row.locator("[data-label=Fired]")).to_have_text("0")
        await expect(row.locator("[data-label=Filtered]")).to_have_text("5")
        await person.click(row.get_by_role("link", name="Sync contacts"))
        first_name = person.page.get_by_role("region", name="firstName", exact=True)
        await expect(first_name).to_contain_text("frist_name")
        await expect(first_name).to_contain_text("$.traits.firstName")
        await expect(first_name).to_contain_text("differs")


async def test_a_key_is_rotated(stack: Stack, dashboard: DashboardProcess, browser: Browser) -> None:
    """Why is nothing sent, what is to be done, and does it go on?"""
    stack.worker()
    stack.sandbox.faults([{"status": 401}])
    track(stack, "user-0001", "Signed Up")
    wait_until(lambda: bool(stack.redis.exists(KEYS.paused)))
    async with on_call(browser, dashboard, "key") as person:
        row = person.row("loops").filter(has_text="paused")
        await expect(row).to_contain_text("Loops refuses the API key (401")
        await expect(row).to_contain_text("correct it in the configuration")
        stack.sandbox.faults([])
        await person.click(row.get_by_role("link", name="Resume…"))
        await expect(person.page.get_by_role("main")).to_contain_text("Loops refuses the API key")
        await person.click(person.page.get_by_role("button", name="Resume loops"))
        stack.wait_delivered()
        assert [body["userId"] for body in bodies(stack, "/events/send")] == ["user-0001"]
        await expect(person.row("loops").filter(has_text="running")).to_be_visible()


async def test_who_is_stuck(stack: Stack, dashboard: DashboardProcess, browser: Browser) -> None:
    """Who waits, since when and why, when is the next attempt, and how much waits behind it?"""
    stack.worker()
    stack.sandbox.faults([{"status": 503, "event": "Flaky", "retry_after": 600}])
    for user in ("user-0001", "user-0002"):
        track(stack, user, "Flaky")
    wait_until(lambda: stack.redis.hlen(KEYS.parked) == 2)
    for _ in range(3):
        track(stack, "user-0001", "Behind")
    async with on_call(browser, dashboard, "stuck") as person:
        await person.click(person.row("loops").locator("[data-label=Parked]").get_by_role("link", name="2"))
        row = person.row("us•••01")
        await expect(row.locator("[data-label='Waiting since']")).to_have_text(re.compile(r"\d+ (s|min) ago"))
        await expect(row.locator("[data-label=Why]")).to_have_text("503 Service Unavailable")
        await expect(row.locator("[data-label='Next attempt']")).to_contain_text("min")
        await expect(row.locator("[data-label='Behind it']")).to_have_text("3")
        await person.click(row.get_by_role("link", name="us•••01"))
        await expect(person.page.get_by_text("is resent byte for byte")).to_be_visible()
