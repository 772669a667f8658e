"""The dashboard in a real browser, before real workers and the sandbox."""

import math
import os
import random
import time
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, expect

from tests import needs

from .browser import DashboardProcess, Visitor, visit
from .stack import KEYS, MakeStack, Stack, bodies, wait_until

pytestmark = needs.chromium

SCREENSHOTS = os.environ.get("SEGUE_SCREENSHOTS")
"""A folder for a picture of each page, if any; docs/ has those that its pages show."""
SOON_MS = 2000
DESKTOP, PHONE = 1280, 375
MAPPINGS = [
    {"name": "Sync contacts", "action": "createOrUpdateContact"},
    {"name": "Send events", "action": "sendEvent"},
    {"name": "Old sign-ups", "action": "sendEvent", "trigger": 'event = "Old Sign Up"', "enabled": False},
]


@pytest.fixture
def stack(make_stack: MakeStack) -> Stack:
    stack = make_stack(rate_limit=50, mappings=MAPPINGS)
    stack.worker()
    return stack


def track(stack: Stack, user: str, event: str) -> str:
    context = {"traits": {"email": f"{user}@example.com"}}
    return stack.producer.track(user, event, {"plan": "Pro"}, context=context)


def park(stack: Stack, user: str) -> None:
    """Have an event parked, with minutes until its next attempt."""
    stack.sandbox.faults([{"status": 503, "event": "Flaky", "retry_after": 600}])
    track(stack, user, "Flaky")
    wait_until(lambda: bool(stack.redis.hexists(KEYS.parked, user)))


async def test_a_wrong_token_is_refused_and_the_right_one_lets_in(
    dashboard: DashboardProcess, browser: Browser
) -> None:
    async with visit(browser, dashboard) as visitor:
        await visitor.go("/retries")
        await expect(visitor.page).to_have_url(f"{visitor.url}/sign-in?next=%2Fretries")
        await visitor.page.get_by_label("Token").fill("not-the-token-at-all")
        await visitor.page.get_by_role("button", name="Sign in").click()
        await expect(visitor.page.get_by_role("alert")).to_have_text("That is not the token.")
        await visitor.page.get_by_label("Token").fill("a-token-for-tests-only")
        await visitor.page.get_by_role("button", name="Sign in").click()
        await expect(visitor.page.get_by_role("heading", name="Retries")).to_be_visible()
        cookies = {each["name"]: each for each in await visitor.page.context.cookies()}
        assert cookies["segue_session"]["httpOnly"]
        assert cookies["segue_session"]["sameSite"] == "Strict"
        await visitor.page.get_by_role("button", name="Sign out").click()
        await visitor.go("/retries")
        await expect(visitor.page.get_by_label("Token")).to_be_visible()
        # The browser itself remarks on the status of the refusal.
        assert [each for each in visitor.errors if "403" not in each] == []


async def test_a_parked_retry_appears_by_itself_and_is_retried_now(
    stack: Stack, dashboard: DashboardProcess, browser: Browser
) -> None:
    async with visit(browser, dashboard) as visitor:
        await visitor.signed_in()
        await visitor.go("/retries")
        await expect(visitor.page.get_by_text("No contact waits for a retry.")).to_be_visible()
        park(stack, "user-0001")
        row = visitor.page.get_by_role("row", name="us•••01")
        await expect(row).to_be_visible(timeout=SOON_MS)
        await expect(row).to_contain_text("503")
        await expect(row).to_contain_text("/events/send")
        assert "user-0001" not in await visitor.page.content()

        button = row.get_by_role("button", name="Retry now: us•••01")
        await button.focus()
        for _ in range(2):
            async with visitor.page.expect_response(visitor.url + "/retries"):
                pass
        await expect(button).to_be_focused()

        stack.sandbox.faults([])
        await button.click()
        await expect(visitor.page.get_by_text("1 request will be sent now.")).to_be_visible()
        await expect(visitor.page.get_by_text("No contact waits for a retry.")).to_be_visible()
        stack.wait_delivered()
        assert [body["eventName"] for body in bodies(stack, "/events/send")] == ["Flaky"]
        assert visitor.errors == []


async def test_a_dead_letter_is_inspected_replayed_and_delivered(
    stack: Stack, dashboard: DashboardProcess, browser: Browser
) -> None:
    stack.sandbox.faults([{"status": 400, "event": "Broken", "count": 1}])
    message_id = track(stack, "user-0001", "Broken")
    stack.wait_delivered()
    async with visit(browser, dashboard) as visitor:
        page = (await visitor.signed_in()).page
        await page.get_by_role("link", name="Dead letters").click()
        await page.get_by_role("link", name="us•••01").click()
        await expect(page.get_by_role("region", name="Body of the request")).to_contain_text("Broken")
        assert "user-0001" not in await page.content()
        await page.get_by_role("button", name="Show personal data").click()
        await expect(page.get_by_role("region", name="Body of the request")).to_contain_text("user-0001@example.com")
        await page.get_by_role("button", name="Replay…").click()
        await page.get_by_role("button", name="Replay 1").click()
        await expect(page.get_by_text("Finished.")).to_be_visible()
        stack.wait_delivered()
        assert [body["eventName"] for body in bodies(stack, "/events/send")] == ["Broken"]
        assert stack.redis.hlen(KEYS.dead) == 0

        await visitor.go("/lookup")
        await page.get_by_label("messageId, userId").fill(message_id)
        await page.get_by_role("button", name="Look up").click()
        steps = page.get_by_role("listitem").filter(has_text="replayed from dead letter")
        await expect(steps).to_be_visible()
        assert visitor.errors == []


async def test_letters_come_in_while_one_is_being_chosen(
    stack: Stack, dashboard: DashboardProcess, browser: Browser
) -> None:
    stack.sandbox.faults([{"status": 400, "event": "Broken", "count": 2}])
    async with visit(browser, dashboard) as visitor:
        page = (await visitor.signed_in()).page
        await visitor.go("/dead")
        await expect(page.get_by_text("There are no dead letters.")).to_be_visible()
        track(stack, "user-0001", "Broken")
        first = page.get_by_role("checkbox", name="us•••01")
        await first.check()
        track(stack, "user-0002", "Broken")
        await expect(page.get_by_role("checkbox", name="us•••02")).not_to_be_checked()
        await expect(first).to_be_checked()
        await page.get_by_role("button", name="Replay chosen…").click()
        await page.get_by_role("button", name="Replay 1").click()
        await expect(page.get_by_text("Finished.")).to_be_visible()
        stack.wait_delivered()
        assert [body["userId"] for body in bodies(stack, "/events/send")] == ["user-0001"]
        assert visitor.errors == []


async def test_by_keyboard_the_content_is_one_key_away(dashboard: DashboardProcess, browser: Browser) -> None:
    async with visit(browser, dashboard) as visitor:
        page = (await visitor.signed_in()).page
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("main")).to_be_focused()
        hold = page.get_by_role("button", name="Hold refresh")
        await hold.press("Space")
        await expect(hold).to_have_attribute("aria-pressed", "true")
        assert visitor.errors == []


async def test_a_destination_is_paused_and_resumed(stack: Stack, dashboard: DashboardProcess, browser: Browser) -> None:
    async with visit(browser, dashboard, width=PHONE) as visitor:
        page = (await visitor.signed_in()).page
        await page.get_by_role("link", name="Pause…").click()
        await page.get_by_label("Reason").fill("new API key on its way")
        await page.get_by_role("button", name="Pause loops").click()
        await expect(page.get_by_text("new API key on its way")).to_be_visible()
        track(stack, "user-0001", "Signed Up")
        await expect(page.locator("td[data-label='Pending']")).to_contain_text("1", timeout=SOON_MS)
        await page.get_by_role("link", name="Resume…").click()
        await page.get_by_role("button", name="Resume loops").click()
        stack.wait_delivered()
        assert visitor.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_is_accessible_and_fits_a_phone(
    stack: Stack, dashboard: DashboardProcess, browser: Browser, scheme: Literal["light", "dark"]
) -> None:
    furnish(stack)
    async with visit(browser, dashboard, scheme=scheme) as visitor:
        page = visitor.page
        await visitor.go("/sign-in")
        await examine(visitor, "sign-in", scheme)
        await visitor.signed_in()
        for name, path in (
            ("overview", "/"),
            ("numbers", "/numbers/loops"),
            ("retries", "/retries"),
            ("dead-letters", "/dead"),
            ("mappings", "/mappings"),
            ("pause", "/pause/loops"),
            ("missing", "/nowhere"),
        ):
            await visitor.go(path)
            if name == "overview":
                await expect(page.locator("canvas")).to_have_count(6)
            await examine(visitor, name, scheme)
        await visitor.go("/retries")
        await page.locator("table a").first.click()
        await examine(visitor, "retry", scheme)
        await visitor.go("/dead")
        await page.locator("[id^=letter-] a").first.click()
        await examine(visitor, "dead-letter", scheme)
        await page.get_by_role("button", name="Replay…").click()
        await examine(visitor, "confirm", scheme)
        await page.get_by_role("button", name="Replay 1").click()
        await expect(page.get_by_text("Finished.")).to_be_visible()
        await examine(visitor, "progress", scheme)
        await visitor.go("/mappings")
        await page.get_by_role("button", name="Preview").click()
        await examine(visitor, "preview", scheme)
        await visitor.go("/events?outcome=delivered")
        await examine(visitor, "events", scheme)
        await page.get_by_role("button", name="What happened to lookup-1").click()
        await examine(visitor, "lookup", scheme)
        # The browser itself remarks on the page that is missing.
        assert [each for each in visitor.errors if "404" not in each] == []


async def examine(visitor: Visitor, name: str, scheme: str) -> None:
    page = visitor.page
    assert await visitor.issues() == [], name
    if SCREENSHOTS:
        await page.screenshot(path=Path(SCREENSHOTS) / f"dashboard-{name}-{scheme}.png", full_page=name != "numbers")
    await page.set_viewport_size({"width": PHONE, "height": 800})
    width = await page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= PHONE, f"{name} is {width} px wide on a phone"
    await page.set_viewport_size({"width": DESKTOP, "height": 800})


def furnish(stack: Stack) -> None:
    """Something to see on each page: an hour of counters, deliveries, retries and dead letters."""
    chance = random.Random(1)
    minute = int(time.time()) // 60
    for back in range(60):
        passed = 1 if back else time.time() % 60 / 60
        delivered = int(passed * (260 + 120 * math.sin(back / 9) + chance.gauss(0, 20)))
        counters: dict[Any, Any] = {
            "delivered": delivered,
            "requests": int(delivered * 0.85),
            "filtered": delivered // 9,
            "duplicates": chance.randint(0, 9),
            "retries": chance.choice([0, 0, 0, 4, 11]),
            "rate_limited": chance.choice([0, 0, 0, 0, 3]),
            "dead": chance.choice([0] * 9 + [2]),
            "oldest_ms": chance.choice([200, 300, 400, 900, 8000]),
            **{f"wait:{place}": chance.randint(1, 40) for place in range(3, 9)},
            **{f"took:{place}": chance.randint(1, 40) for place in range(4, 7)},
            "sum:wait": 900 * delivered,
            "sum:took": 4000 + chance.randint(0, 900),
            "sum:limit": chance.choice([0, 0, 9000]),
        }
        stack.redis.hset(f"{KEYS.stats}{minute - back}", mapping=counters)
    stack.sandbox.faults([{"status": 400, "event": "Broken", "count": 3}])
    for number in range(20):
        user = f"user-{number:04}"
        stack.producer.identify(user, {"email": f"{user}@example.com", "plan": "Pro"})
        track(stack, user, "Signed Up")
    for number in range(3):
        track(stack, f"user-{1000 + number}", "Broken")
    email = {"traits": {"email": "ada@example.com"}}
    stack.producer.track("lookup", "Signed Up", context=email, message_id="lookup-1")
    stack.wait_delivered()
    for number in range(3):
        park(stack, f"user-{2000 + number}")


async def test_all_of_one_cause_are_replayed_in_two_clicks(
    stack: Stack, dashboard: DashboardProcess, browser: Browser
) -> None:
    stack.sandbox.faults([{"status": 400, "event": "Broken", "count": 30}])
    for number in range(30):
        track(stack, f"user-{number:04}", "Broken")
    stack.wait_delivered()
    async with visit(browser, dashboard) as visitor:
        page = (await visitor.signed_in()).page
        await visitor.go("/dead")
        row = page.locator("[id^=group-]")
        await expect(row).to_have_count(1)
        await expect(row).to_contain_text("Broken")
        await page.get_by_label("Choose all on this page").check()
        await expect(page.locator("[name=id]:checked")).to_have_count(30)
        async with page.expect_response(visitor.url + "/dead"):
            pass
        await expect(page.locator("[name=id]:checked")).to_have_count(30)
        await row.get_by_role("button", name="Replay").click()
        await page.get_by_role("button", name="Replay 30").click()
        await expect(page.get_by_text("Finished.")).to_be_visible()
        stack.wait_delivered()
        assert len(list(bodies(stack, "/events/send"))) == 30
        assert visitor.errors == []


async def test_that_nobody_works_is_said_in_red_on_every_page_until_somebody_does(
    make_stack: MakeStack, browser: Browser
) -> None:
    stack = make_stack(rate_limit=50, mappings=MAPPINGS)
    with DashboardProcess(stack) as dashboard:
        async with visit(browser, dashboard) as visitor:
            page = (await visitor.signed_in()).page
            for path in ("/mappings", "/retries", "/"):
                await visitor.go(path)
                await expect(page.get_by_role("alert")).to_contain_text("No worker is alive; start one")
            await expect(page.get_by_role("row", name="loops")).to_contain_text("no worker")
            stack.worker()
            await expect(page.get_by_role("alert")).to_have_count(0, timeout=30_000)
            await expect(page.get_by_role("row", name="loops")).to_contain_text("running")
            assert visitor.errors == []


async def test_who_is_stuck_is_seen_and_several_are_retried_at_once(
    stack: Stack, dashboard: DashboardProcess, browser: Browser
) -> None:
    for number in range(3):
        park(stack, f"user-000{number}")
    track(stack, "user-0000", "Signed Up")
    async with visit(browser, dashboard) as visitor:
        page = (await visitor.signed_in()).page
        await page.locator("td[data-label='Parked'] a").click()
        rows = page.locator("[id^=retry-]")
        await expect(rows).to_have_count(3)
        await expect(rows.first.get_by_role("link")).to_have_text("us•••00")
        await expect(rows.first.locator("[data-label='Behind it']")).to_have_text("1")
        await expect(rows.first.locator("[data-label='Why']")).to_contain_text("503")
        for name in ("us•••00", "us•••02"):
            await page.get_by_role("checkbox", name=f"Choose {name}").check()
        stack.sandbox.faults([])
        await page.get_by_role("button", name="Retry chosen now").click()
        await expect(page.get_by_text("2 requests will be sent now.")).to_be_visible()
        await expect(rows).to_have_count(1)
        await page.get_by_role("button", name="Retry all 1 of loops now").click()
        await expect(page.get_by_text("Finished.")).to_be_visible()
        stack.wait_delivered()
        assert [body["userId"] for body in bodies(stack, "/events/send")][-1] == "user-0001"
        assert visitor.errors == []
