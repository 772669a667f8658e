"""The dashboard with three hundred destinations: pages stay small, and trouble comes first."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakeredis import FakeRedis, FakeServer

from segue_producer.keys import WORKERS, Keys
from segue_worker.dashboard import Dashboard
from segue_worker.dashboard.sessions import Sessions
from segue_worker.outbox.outgoing import Outgoing, Parked, Ref
from segue_worker.outbox.pause import Pause
from tests.unit.dashboard.conftest import NOW_MS, TOKEN, HttpVisitor

TEAMS = 300
LARGEST = 200_000
MAPPINGS = """
    mappings:
      - {name: Sync contacts, action: createOrUpdateContact, trigger: 'type = "track" or type = "identify"'}
      - {name: Send events, action: sendEvent, trigger: 'type = "track" and event = "Signed Up"'}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("many")


@pytest.fixture(scope="module")
def dashboard(folder: Path) -> Iterator[Dashboard]:
    """Each destination has two mappings; some are in trouble, and with twenty of them a hundred contacts wait for a retry.

    One for all tests, which only look.
    """
    names = [f"team-{number:03}" for number in range(TEAMS)]
    destinations = "".join(f"  - name: {name}\n    api_key: a-key-of-{name}{MAPPINGS}" for name in names)
    config = folder / "segue.yaml"
    config.write_text(f"destinations:\n{destinations}", encoding="utf-8")
    with FakeRedis(server=FakeServer(version=(6, 2))) as redis:
        # For longer than all tests take.
        redis.zadd(WORKERS, {"worker": (int(redis.time()[0]) + 3600) * 1000})
        redis.hset(Keys("team-200").dead, "letter", json.dumps({}))
        redis.set(Keys("team-250").pending, 95)
        redis.hset(Keys("team-250").settings, "max_pending", 100)
        redis.set(Keys("team-270").paused, Pause("the key is refused", NOW_MS, None).to_json())
        redis.zadd(Keys("gone").due, {"contact": NOW_MS})
        redis.hset("segue:held", "gone", 1)
        for name in names[100:120]:
            keys = Keys(name)
            for number in range(100):
                request = Outgoing("POST", "/events/send", b"{}", "a-key", (Ref(0, "Send events"),))
                contact = f"somebody-{number}@example.com"
                redis.hset(keys.parked, contact, Parked(3, NOW_MS, NOW_MS * 2, "503", request, NOW_MS).to_json())
                redis.zadd(keys.away, {contact: NOW_MS * 2})
        yield Dashboard(redis, config, Sessions(TOKEN, clock=lambda: NOW_MS / 1000), str, clock=lambda: NOW_MS / 1000)


@pytest.fixture
async def visitor(stranger: HttpVisitor) -> HttpVisitor:
    """Somebody who has signed in."""
    await stranger.sign_in()
    return stranger


def shown(text: str) -> list[str]:
    """The destinations of the rows, from the top."""
    return re.findall(r'<tr role="row" id="row-([\w-]+)">', text)


@pytest.mark.parametrize(
    "path",
    ["/", "/?page=6", "/?search=team", "/retries", "/retries?page=2", "/dead", "/mappings", "/schema", "/lookup"],
)
async def test_no_page_is_larger_than_200_kb(visitor: HttpVisitor, path: str) -> None:
    answer = await visitor.get(path)
    assert answer.status_code == 200
    assert len(answer.content) < LARGEST


async def test_trouble_comes_first_and_then_the_order_of_the_configuration(visitor: HttpVisitor) -> None:
    text = (await visitor.get("/")).text
    assert shown(text)[:6] == ["gone", "team-270", "team-250", "team-200", "team-000", "team-001"]
    assert [re.findall(r'badge \w*">([\w ]+)<', row) for row in text.split('id="row-')[1:5]] == [
        ["orphaned"],
        ["paused"],
        ["running", "nearly full"],
        ["running"],
    ]
    assert "301 destinations, 4 of all with a problem" in text


async def test_every_destination_is_on_one_page(visitor: HttpVisitor) -> None:
    found = [name for page in range(1, 8) for name in shown((await visitor.get(f"/?page={page}")).text)]
    assert len(found) == len(set(found)) == TEAMS + 1


@pytest.mark.parametrize("page", ["0", "-1", "8", "99999999999999999999", "x", "²"])
async def test_a_page_there_is_not_is_another_one(visitor: HttpVisitor, page: str) -> None:
    assert shown((await visitor.get(f"/?page={page}")).text)


async def test_a_destination_is_found_by_a_part_of_its_name(visitor: HttpVisitor) -> None:
    text = (await visitor.get("/?search=TEAM-27")).text
    assert shown(text) == ["team-270", *(f"team-27{number}" for number in range(1, 10))]
    text = (await visitor.get("/?search=m-271")).text
    assert (shown(text), re.findall('data-charts="([^"]+)"', text)) == (["team-271"], ["/series/team-271?range=1h"])
    text = (await visitor.get("/?destination=team-270")).text
    assert re.findall('data-charts="([^"]+)"', text) == ["/series/team-270?range=1h"]
    assert '<a href="/?range=24h&amp;destination=team-270"' in text
    assert "No destination of 301 matches" in (await visitor.get("/?search=nobody%3Cb%3E")).text


async def test_retries_are_those_of_destinations_where_somebody_waits(visitor: HttpVisitor) -> None:
    text = (await visitor.get("/retries?page=2")).text
    assert re.findall(r'<h2 id="name-([\w-]+)">', text) == [f"team-{number}" for number in range(110, 120)]
    assert text.count('<tr role="row" id="retry-') == 100
