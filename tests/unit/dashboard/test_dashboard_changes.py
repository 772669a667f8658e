"""What the dashboard shows of destinations, mappings and workers that are not those of the file."""

from fakeredis import FakeRedis

from segue_producer.keys import ABOUT_WORKERS, HELD, WORKERS, Keys
from segue_worker.config import load_config
from segue_worker.dashboard.context import Dashboard
from segue_worker.observing.workers import WorkerAbout
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.pause import Pause, PauseKind
from segue_worker.outbox.plan import Plan

from .conftest import KEYS, NOW_MS, HttpVisitor

OTHER = """
destinations:
  - name: loops
    api_key: an-api-key-nobody-may-see
    mappings:
      - {name: Sync contacts, action: createOrUpdateContact}
      - {name: Former, action: sendEvent}
"""


def serve_another(redis: FakeRedis, dashboard: Dashboard) -> None:
    """A worker runs other mappings than the file has."""
    path = dashboard.config.with_name("other.yaml")
    path.write_text(OTHER, encoding="utf-8")
    config = load_config(path)
    plan = Plan.of(config.destinations[0].mappings)
    redis.zadd(WORKERS, {"worker": int(redis.time()[0]) * 1000})
    redis.hset(ABOUT_WORKERS, "worker", WorkerAbout.of(config, 0).to_json())
    redis.set(KEYS.plan + plan.version, plan.to_json())


async def test_the_mappings_that_workers_run_are_shown_beside_those_of_the_file(
    visitor: HttpVisitor, redis: FakeRedis, dashboard: Dashboard
) -> None:
    assert "what 1 worker runs" not in (await visitor.get("/mappings")).text
    serve_another(redis, dashboard)
    text = (await visitor.get("/mappings")).text
    assert "loops: what 1 worker runs" in text
    assert "the file has another trigger" in text
    assert "not in the file" in text
    assert "only in the file" in text
    assert "restart the workers to apply it" in text
    assert "restart the workers to apply it" in (await visitor.get("/")).text


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
