"""What the dashboard shows of destinations, mappings and workers that are not those of the file."""

import asyncio
import html
import json
import re
from typing import Any

import orjson
import pytest
from fakeredis import FakeAsyncRedis, FakeRedis

from segue_producer.keys import ABOUT_WORKERS, HELD, WORKERS, Keys
from segue_worker.config import Config, load_config
from segue_worker.dashboard.context import Dashboard
from segue_worker.observing.workers import WorkerAbout
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.pause import Pause, PauseKind
from segue_worker.outbox.plan import Plan
from segue_worker.process.mapping_announcements import MappingAnnouncements

from .conftest import CONFIG, KEYS, NOW_MS, HttpVisitor

OTHER = """
destinations:
  - name: loops
    api_key: an-api-key-nobody-may-see
    mappings:
      - {name: Sync contacts, action: createOrUpdateContact}
      - {name: Former, action: sendEvent}
"""
WRONG = CONFIG.replace(
    'trigger: \'type = "track" or type = "identify"\'',
    """trigger: 'type = "track" or type = "identify"', max_wait: 90m,
       fields: {firstName: {"@path": $.traits.name}, mailingLists: {"${A_LIST}": true, other: "${A_LIST}"}}""",
)


def serve(redis: FakeRedis, dashboard: Dashboard, text: str, *workers: str, told: bool = True) -> None:
    """Workers run a configuration; those of an older version do not tell the fields of their mappings."""
    path = dashboard.config.with_name("other.yaml")
    path.write_text(text, encoding="utf-8")
    config = load_config(path)
    (destination,) = config.destinations
    plan = Plan.of(destination.mappings)
    for worker in workers:
        redis.zadd(WORKERS, {worker: int(redis.time()[0]) * 1000})
        redis.hset(ABOUT_WORKERS, worker, WorkerAbout.of(config, 0).to_json())
    redis.set(KEYS.plan + plan.version, plan.to_json())
    if told:
        asyncio.run(_tell(redis, config))


async def _tell(redis: FakeRedis, config: Config) -> None:
    async with FakeAsyncRedis(server=redis.connection_pool.connection_kwargs["server"]) as client:
        await MappingAnnouncements(client, config).tell()


def serve_another(redis: FakeRedis, dashboard: Dashboard, *, told: bool = True) -> None:
    """A worker runs other mappings than the file has."""
    serve(redis, dashboard, OTHER, "worker", told=told)


@pytest.mark.parametrize("told", [True, False])
async def test_the_mappings_that_workers_run_are_shown_beside_those_of_the_file(
    visitor: HttpVisitor, redis: FakeRedis, dashboard: Dashboard, *, told: bool
) -> None:
    assert "the file; no worker runs it" in (await visitor.get("/mappings")).text
    await asyncio.to_thread(serve_another, redis, dashboard, told=told)
    text = (await visitor.get("/mappings")).text
    assert "loops: what 1 worker runs" in text
    assert "the file has another trigger" in text
    assert "not in the file" in text
    assert "only in the file" in text
    assert "restart the workers to apply it" in text
    assert "restart the workers to apply it" in (await visitor.get("/")).text


async def test_fields_that_differ_are_named_and_shown_beside_each_other(
    visitor: HttpVisitor, redis: FakeRedis, dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_LIST", "what-a-variable-holds")
    await asyncio.to_thread(serve, redis, dashboard, WRONG, "one", "two")
    text = (await visitor.get("/mappings")).text
    assert "loops: what 2 workers run" in text
    assert "the file has another firstName, mailingLists, max_wait" in text
    text = html.unescape((await visitor.get("/mappings/loops?mapping=Sync%20contacts")).text)
    assert '"@path": "$.traits.name"' in text
    assert '"@path": "$.traits.firstName"' in text
    assert "${A_LIST}" in text
    assert "what-a-variable-holds" not in text
    assert text.count(">differs<") == 3
    assert (await visitor.get("/mappings/loops?mapping=None")).status_code == 404
    assert (await visitor.get("/mappings/none?mapping=Sync")).status_code == 404


async def test_what_a_worker_of_an_older_version_does_not_tell_is_not_known(
    visitor: HttpVisitor, redis: FakeRedis, dashboard: Dashboard
) -> None:
    await asyncio.to_thread(serve_another, redis, dashboard, told=False)
    text = (await visitor.get("/mappings/loops?mapping=Sync%20contacts")).text
    assert "not known: they are of an older version" in text
    await visitor.get("/mappings")
    text = (await visitor.post("/mappings/preview", {"destination": "loops", "event": "{}", "by": "run"})).text
    assert "workers of an older version do not tell" in text


async def test_workers_that_run_the_file_are_said_to(
    visitor: HttpVisitor, redis: FakeRedis, dashboard: Dashboard
) -> None:
    await asyncio.to_thread(serve, redis, dashboard, CONFIG, "one", "two", "three")
    assert "run by 3 workers, as in the file" in (await visitor.get("/mappings")).text
    text = (await visitor.get("/mappings/loops?mapping=Sync%20contacts")).text
    assert ">differs<" not in text


async def test_an_event_is_tried_against_what_runs_and_against_the_file(
    visitor: HttpVisitor, redis: FakeRedis, dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_LIST", "what-a-variable-holds")
    event = {"type": "identify", "userId": "u1", "traits": {"name": "by the workers", "firstName": "by the file"}}
    fields = {"destination": "loops", "event": json.dumps(event)}
    await visitor.get("/mappings")
    assert "No worker that is alive serves" in (await visitor.post("/mappings/preview", {**fields, "by": "run"})).text
    await asyncio.to_thread(serve, redis, dashboard, WRONG, "one")
    text = html.unescape((await visitor.post("/mappings/preview", {**fields, "by": "run"})).text)
    assert '"firstName": "by the workers"' in text
    text = html.unescape((await visitor.post("/mappings/preview", {**fields, "by": "file"})).text)
    assert '"firstName": "by the file"' in text


async def test_what_mappings_did_in_the_last_day_is_told_from_counters_noted_each_hour(
    visitor: HttpVisitor, redis: FakeRedis, dashboard: Dashboard
) -> None:
    before: dict[Any, Any] = {"mapped": 1000, "fired:Sync contacts": 900, "failed:Sync contacts": 3}
    redis.hset(KEYS.measures, mapping={**before, "took:3": 7})
    await asyncio.to_thread(serve, redis, dashboard, CONFIG, "one")
    (noted,) = redis.hkeys(KEYS.measured)
    raw: Any = redis.hget(KEYS.measured, noted)
    assert b"took" not in raw
    # The dashboard's clock stands still in 2023: the counters were noted twenty hours before, and one in the hour itself.
    hour = NOW_MS // 3_600_000
    later = orjson.dumps([NOW_MS, {"mapped": 1100}])
    redis.delete(KEYS.measured)
    redis.hset(KEYS.measured, mapping={hour - 30: b"[0,{}]", hour - 20: raw, hour: later})
    redis.hset(KEYS.measures, mapping={"mapped": 1234, "fired:Sync contacts": 1001, "failed:Sync contacts": 7})
    text = (await visitor.get("/mappings")).text
    row = text.partition("Sync contacts</a>")[2].partition("</tr>")[0]
    assert re.findall(r'class="number">([\d,]+)<', row) == ["101", "129", "4"]
    assert "Events counted since" in text


async def test_the_counters_are_noted_once_an_hour_and_kept_for_a_day(redis: FakeRedis, dashboard: Dashboard) -> None:
    redis.hset(KEYS.measures, "mapped", 5)
    redis.hset(KEYS.measured, "12", "[0,{}]")
    for _ in range(2):
        await asyncio.to_thread(serve, redis, dashboard, CONFIG, "one")
        redis.hincrby(KEYS.measures, "mapped", 1)
    (noted,) = redis.hvals(KEYS.measured)
    assert orjson.loads(noted)[1] == {"mapped": 5}
    assert 0 < redis.ttl(KEYS.measured) <= 25 * 3600


async def test_an_orphaned_destination_is_marked(visitor: HttpVisitor, redis: FakeRedis) -> None:
    redis.hset(HELD, "former", 0)
    redis.zadd(Keys("former").due, {"u1": 1})
    text = (await visitor.get("/")).text
    assert '<span class="badge bad">orphaned</span>' in text
    assert "segue move former NEW" in text


async def test_a_mapping_that_is_gone_is_shown_with_its_dead_letters(visitor: HttpVisitor, redis: FakeRedis) -> None:
    letter = DeadLetter("refused", "", "u1", ("Gone & away",), ("m1",), ("{}",), at=1)
    redis.hset(KEYS.dead, letter.id, letter.to_json())
    redis.zadd(KEYS.dead_at, {letter.id: 1})
    text = (await visitor.get("/mappings")).text
    assert "loops has no mapping <b>Gone &amp; away</b> any more" in text
    assert "mapping=Gone%20%26%20away" in text
    assert (await visitor.get("/dead?destination=loops&mapping=Gone%20%26%20away")).text.count(letter.id) > 0


async def test_a_paused_destination_shows_what_waits_and_no_time_until_it_is_empty(
    visitor: HttpVisitor, redis: FakeRedis
) -> None:
    redis.set(KEYS.pending, 1200)
    assert "Empty in" in (await visitor.get("/")).text
    redis.set(KEYS.paused, Pause("a new key is on its way", NOW_MS, None, kind=PauseKind.HAND).to_json())
    answer = await visitor.get("/")
    assert answer.status_code == 200
    assert "1,200" in answer.text
    assert "Empty in" not in answer.text


async def test_an_event_is_tried_as_it_would_be_sent(visitor: HttpVisitor) -> None:
    event = {"type": "identify", "userId": 123456789012345678901, "traits": [], "context": {"traits": {"plan": "pro"}}}
    await visitor.get("/mappings")
    answer = await visitor.post("/mappings/preview", {"destination": "loops", "event": json.dumps(event)})
    text = html.unescape(answer.text)
    assert '"plan": "pro"' in text
    assert '"userId": "123456789012345678901"' in text
    assert "This is not enqueued" not in text
