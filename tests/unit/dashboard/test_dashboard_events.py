"""The page of events."""

import re

import pytest
from fakeredis import FakeRedis

from segue_producer.keys import Keys
from segue_worker.dashboard.views.events import SHOWN
from segue_worker.outbox.log_record import Attempt, EventPart, Record, RequestPart
from tests.unit.dashboard.conftest import EMAIL, KEYS, NOW_MS, HttpVisitor


def record(redis: FakeRedis, at: int, message_id: str, outcome: str = "delivered", status: int = 200) -> None:
    request = RequestPart(
        *("/events/send", ((message_id, "Send events"),), (Attempt(at, status, 76),), 1),
        outcome="dead" if outcome == "dead" else "delivered",
        why="refused" if outcome == "dead" else "",
        letter="0" * 32 if outcome == "dead" else "",
    )
    part = EventPart(message_id, "Bought", outcome, at)  # type: ignore[arg-type]
    redis.xadd(KEYS.log, {"e": Record("0" * 16, [part], request).to_json()}, id=f"{at}-0")


def ids(text: str) -> list[str]:
    return re.findall(r'name="query" value="([^"]+)"', text)


async def test_the_newest_come_first_with_what_became_of_them(visitor: HttpVisitor, redis: FakeRedis) -> None:
    record(redis, NOW_MS - 2000, "first")
    record(redis, NOW_MS - 1000, "second", "dead", 400)
    text = (await visitor.get("/events")).text
    assert ids(text) == ["second", "first"]
    assert f'href="/dead/loops/{"0" * 32}">refused</a>' in text
    assert '<div id="events" data-live="2000">' in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("outcome=dead", ["second"]),
        ("status=4xx", ["second"]),
        ("status=200", ["first"]),
        ("event=Bought", ["second", "first"]),
        ("event=Other", []),
        ("mapping=Send+events", ["second", "first"]),
        ("mapping=Other", []),
        ("since=90s", ["second"]),
        ("until=90s", ["first"]),
        ("destination=loops", ["second", "first"]),
        ("outcome=dead&status=200", []),
    ],
)
async def test_the_filters(visitor: HttpVisitor, redis: FakeRedis, query: str, found: list[str]) -> None:
    record(redis, NOW_MS - 100_000, "first")
    record(redis, NOW_MS - 1000, "second", "dead", 400)
    answer = await visitor.get(f"/events?{query}")
    assert (answer.status_code, ids(answer.text)) == (200, found)
    assert ("Nothing matches." in answer.text) == (not found)


async def test_pages_follow_each_other(visitor: HttpVisitor, redis: FakeRedis) -> None:
    for number in range(2 * SHOWN + 1):
        record(redis, NOW_MS + number, f"m{number}")
    found: list[str] = []
    path = "/events?event=Bought"
    for _ in range(3):
        text = (await visitor.get(path)).text
        found += ids(text)
        older = re.search(r'href="([^"]+)">Older<', text)
        path = older[1].replace("&amp;", "&") if older else ""
    assert found == [f"m{number}" for number in reversed(range(2 * SHOWN + 1))]
    assert path == ""
    assert '<div id="events">' in text
    assert "Newest" in text


@pytest.mark.parametrize(
    "query",
    [
        *("since=yesterday", "until=soon", "status=99", "since=1h&status=x"),
        *("since=0001-01-01", "until=0001-01-01", "since=1969-12-31", "until=30000d", "until=9999-12-31T23:59"),
    ],
)
async def test_a_filter_that_cannot_be_read_is_said(visitor: HttpVisitor, redis: FakeRedis, query: str) -> None:
    record(redis, NOW_MS, "m")
    text = (await visitor.get(f"/events?{query}")).text
    assert 'role="alert"' in text
    assert ids(text) == []


@pytest.mark.parametrize("query", ["before=x", "before=1-2:a%0a", "outcome=nonsense"])
async def test_an_address_made_up_is_no_error(visitor: HttpVisitor, query: str) -> None:
    assert (await visitor.get(f"/events?{query}")).status_code == 200


async def test_an_unknown_destination_is_not_found(visitor: HttpVisitor) -> None:
    assert (await visitor.get("/events?destination=other")).status_code == 404


async def test_ids_that_are_emails_are_masked(visitor: HttpVisitor, redis: FakeRedis) -> None:
    record(redis, NOW_MS, EMAIL)
    text = (await visitor.get("/events")).text
    assert EMAIL not in text
    assert "a•••@e•••.com" in text


async def test_the_largest_page_is_small(visitor: HttpVisitor, redis: FakeRedis) -> None:
    refs = tuple((f"{number:0100}", "x" * 200) for number in range(100))
    request = RequestPart("/contacts/update", refs, (Attempt(1, 503, 1),) * 3, 3, "delivered")
    parts = [EventPart(message_id, "E" * 100, "delivered", 1) for message_id, _ in refs]
    for number in range(SHOWN):
        redis.xadd(Keys("loops").log, {"e": Record("0" * 16, parts, request).to_json()}, id=f"{number + 1}-0")
    assert len((await visitor.get("/events")).content) < 200_000
