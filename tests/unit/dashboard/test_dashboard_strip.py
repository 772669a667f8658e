"""What stands on top of every page: whether anybody is working."""

import re

import pytest
from fakeredis import FakeRedis

from segue_producer.keys import DESTINATIONS, WORKERS
from segue_worker.outbox.pause import Pause, PauseKind

from .conftest import KEYS, NOW_MS, HttpVisitor

PAGES = ["/", "/retries", "/dead", "/mappings", "/schema", "/lookup", "/pause/loops"]


def strip(text: str) -> dict[str, tuple[str, str]]:
    """Its items: heading → class and text."""
    found = re.findall(r'<div(?: class="(\w+)")?><dt>([^<]+)</dt><dd>(.*?)</dd>', text, re.DOTALL)
    return {name: (level, " ".join(re.sub(r"<[^>]+>", "", value).split())) for level, name, value in found}


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_says_in_red_that_no_worker_lives(visitor: HttpVisitor, path: str) -> None:
    text = (await visitor.get(path)).text
    assert "No worker is alive; start one" in text
    assert strip(text)["Workers alive"] == ("bad", "0")
    assert strip(text)["Last sweep"] == ("bad", "never")


async def test_where_all_is_well_nothing_is_red(visitor: HttpVisitor, redis: FakeRedis) -> None:
    now_ms = int(redis.time()[0]) * 1000
    redis.zadd(WORKERS, {"worker": now_ms})
    redis.hset(DESTINATIONS, "loops", now_ms - 2000)
    text = (await visitor.get("/")).text
    assert 'role="alert"' not in text
    found = strip(text)
    assert {level for level, _ in found.values()} == {""}
    assert found["Workers alive"] == ("", "1")
    assert re.fullmatch(r"[23] s ago", found["Last sweep"][1])
    assert re.fullmatch(r"[0-9a-f]{12}", found["Configuration"][1])
    assert found["Share of the limit"] == ("", "0 %")
    assert found["Trouble"] == ("", "none")


async def test_a_pause_says_why_since_when_and_until_when(visitor: HttpVisitor, redis: FakeRedis) -> None:
    pause = Pause("Loops is down", NOW_MS, NOW_MS + 60_000, kind=PauseKind.DOWN)
    redis.set(KEYS.paused, pause.to_json())
    text = " ".join(re.sub(r"<[^>]+>", "", (await visitor.get("/")).text).split())
    assert "Loops is down; since 2023-11-14 22:13:20 UTC, next probe 2023-11-14 22:14:20 UTC" in text
    assert strip((await visitor.get("/dead")).text)["Trouble"] == ("bad", "paused (1)")


async def test_strangers_and_pages_of_errors_have_none(stranger: HttpVisitor) -> None:
    assert 'id="strip"' not in (await stranger.get("/sign-in")).text
    await stranger.sign_in()
    assert 'id="strip"' not in (await stranger.get("/nowhere")).text


async def test_what_answers_a_form_is_not_fetched_again(visitor: HttpVisitor) -> None:
    assert "data-live" in (await visitor.get("/lookup")).text
    assert "data-live" not in (await visitor.post("/lookup", {"query": "nobody"})).text
