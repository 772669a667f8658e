"""`max_wait`: an event whose turn comes too late is a dead letter, and a replay sends it all the same."""

from pathlib import Path

import pytest
from fakeredis import FakeRedis

from segue_sandbox.faults import InjectedFault
from segue_worker.config import load_config
from segue_worker.operating.dead_letters.choosing import Chooser, History
from segue_worker.operating.dead_letters.replaying import Replay, prepare_replay
from segue_worker.outbox.dead_letter import DeadLetter

from .conftest import CONTACTS, KEYS, Bench, mapping

DAY_MS = 24 * 3_600_000
WELCOME = mapping("welcome", "sendEvent", max_wait_ms=DAY_MS)
TRACK = {"type": "track", "event": "E", "properties": {"email": "u1@example.com"}, "messageId": "m"}
IDENTIFY = {"type": "identify", "traits": {"email": "u1@example.com"}, "messageId": "i"}


@pytest.mark.parametrize(("waited_ms", "sent"), [(DAY_MS, 2), (DAY_MS + 1, 1)])
async def test_an_event_is_given_up_where_it_waited_too_long_and_an_update_is_not(
    bench: Bench, waited_ms: int, sent: int
) -> None:
    bench.mappings = (CONTACTS, WELCOME)
    await bench.enqueue(IDENTIFY, TRACK)
    bench.now_ms += waited_ms
    await bench.run()
    assert len(bench.requests) == sent
    assert [DeadLetter.from_json(raw).reason for raw in await bench.redis.hvals(KEYS.dead)] == ["late"] * (2 - sent)


async def test_a_late_event_goes_when_somebody_replays_it(bench: Bench) -> None:
    bench.mappings = (CONTACTS, WELCOME)
    await bench.enqueue(TRACK)
    bench.now_ms += 3 * DAY_MS
    await bench.run()
    assert bench.requests == []
    (raw,) = await bench.redis.hvals(KEYS.dead)
    again = prepare_replay(DeadLetter.from_json(raw), Chooser(None, History(FakeRedis(), "loops")))
    assert isinstance(again, Replay)
    await bench.redis.rpush(KEYS.outbox + "u1", *again.entries)
    await bench.redis.incr(KEYS.pending)
    await bench.redis.zadd(KEYS.due, {"u1": bench.now_ms})
    await bench.run()
    assert [event.name for event in bench.sandbox.events] == ["E"]


async def test_what_was_attempted_in_time_is_sent_again_however_late(bench: Bench) -> None:
    bench.mappings = (WELCOME,)
    bench.sandbox.faults.add(InjectedFault(status=500, count=3))
    await bench.enqueue(TRACK)
    bench.now_ms += DAY_MS - 1000
    await bench.run()
    bench.now_ms += 60_000
    await bench.run()
    assert [event.name for event in bench.sandbox.events] == ["E"]


@pytest.mark.parametrize(
    ("destination", "of_mapping", "expected"),
    [
        ("", "", (0, 7 * DAY_MS)),
        ("max_wait: 2d", "", (0, 2 * DAY_MS)),
        ("max_wait: 0", "max_wait: 1d", (DAY_MS, DAY_MS)),
    ],
)
def test_the_limit_is_a_mappings_own_or_for_events_the_destinations(
    tmp_path: Path, destination: str, of_mapping: str, expected: tuple[int, int]
) -> None:
    path = tmp_path / "segue.yaml"
    path.write_text(f"""\
destinations:
  - name: loops
    api_key: sandbox-key
    {destination}
    mappings:
      - name: contacts
        action: createOrUpdateContact
        {of_mapping}
      - name: events
        action: sendEvent
        {of_mapping}
""")
    (loops,) = load_config(path, {}).destinations
    assert tuple(each.max_wait_ms for each in loops.mappings) == expected
