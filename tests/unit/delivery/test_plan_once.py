"""What was begun is finished with the mappings it was begun with, whatever the configuration says by then."""

from typing import Any

import orjson
import pytest

from segue_sandbox.faults import InjectedFault
from segue_worker.delivery.attempts import ClaimGoneError
from segue_worker.delivery.context import RunContext
from segue_worker.delivery.delivery import Delivery
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.entry import partial_entry

from .conftest import EVENTS, KEYS, Bench, mapping

TRACK = {"type": "track", "event": "E", "properties": {"email": "u1@example.com"}, "messageId": "m"}
SECOND = mapping("second", "sendEvent", fields={"eventName": "Second"})
RENAMED = mapping("renamed", "sendEvent", fields={"eventName": "Second"})
NARROWED = mapping("second", "sendEvent", trigger='event = "Another"', fields={"eventName": "Second"})
OFF = mapping("second", "sendEvent", enabled=False, fields={"eventName": "Second"})


async def letters(bench: Bench) -> list[DeadLetter]:
    return [DeadLetter.from_json(raw) for raw in (await bench.redis.hgetall(KEYS.dead)).values()]


def names(bench: Bench) -> list[str]:
    return [event.name for event in bench.sandbox.events]


async def half_deliver(bench: Bench) -> None:
    """The first of two requests goes out, then the run must leave."""
    bench.mappings = (EVENTS, SECOND)
    await bench.enqueue(TRACK)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunContext, "may_send", lambda _: not bench.requests)
        await bench.run()
    assert names(bench) == ["E"]


@pytest.mark.parametrize("mappings", [(EVENTS, RENAMED), (RENAMED, EVENTS), (EVENTS, OFF), (EVENTS,), ()])
async def test_a_mapping_that_is_gone_half_way_is_a_dead_letter_and_nothing_is_sent_twice(
    bench: Bench, mappings: tuple[Any, ...]
) -> None:
    await half_deliver(bench)
    bench.mappings = mappings
    await bench.run()
    assert names(bench) == ["E"]
    (letter,) = await letters(bench)
    assert (letter.reason, letter.mappings, letter.message_ids) == ("mapping_gone", ("second",), ("m",))
    assert "'second'" in letter.detail
    assert await bench.pending() == 0
    assert (await bench.counters())["delivered"] == 1


async def test_a_trigger_that_is_changed_half_way_changes_nothing_for_what_was_begun(bench: Bench) -> None:
    await half_deliver(bench)
    bench.mappings = (EVENTS, NARROWED)
    await bench.run()
    assert names(bench) == ["E", "Second"]
    assert await letters(bench) == []


async def test_a_mapping_that_is_new_half_way_gets_only_what_was_not_begun(bench: Bench) -> None:
    bench.mappings = (EVENTS,)
    bench.sandbox.faults.add(InjectedFault(status=500, count=3))
    await bench.enqueue(TRACK, {**TRACK, "event": "Later", "messageId": "n"})
    await bench.run()
    bench.mappings = (EVENTS, SECOND)
    bench.now_ms += 3_600_000
    await bench.run()
    assert names(bench) == ["E", "Later", "Second"]


@pytest.mark.parametrize("mappings", [(RENAMED,), ()])
async def test_a_parked_request_is_resent_as_it_was_though_its_mapping_is_gone(
    bench: Bench, mappings: tuple[Any, ...]
) -> None:
    bench.mappings = (SECOND,)
    bench.sandbox.faults.add(InjectedFault(status=500, count=3))
    await bench.enqueue(TRACK)
    await bench.run()
    bench.mappings = mappings
    bench.now_ms += 3_600_000
    await bench.run()
    assert names(bench) == ["Second"]
    assert len({(request["idempotency_key"], str(request["body"])) for request in bench.requests}) == 1
    assert await letters(bench) == []
    assert (await bench.counters())["delivered"] == 1


async def test_the_other_mappings_of_a_parked_event_were_begun_too(bench: Bench) -> None:
    bench.mappings = (EVENTS, SECOND)
    bench.sandbox.faults.add(InjectedFault(status=500, count=3))
    await bench.enqueue(TRACK)
    await bench.run()
    bench.mappings = (EVENTS, RENAMED)
    bench.now_ms += 3_600_000
    await bench.run()
    assert names(bench) == ["E"]
    assert [letter.reason for letter in await letters(bench)] == ["mapping_gone"]


async def test_what_was_not_begun_is_planned_with_what_is_configured_now(bench: Bench) -> None:
    bench.mappings = (EVENTS, SECOND)
    await bench.enqueue(TRACK)
    bench.mappings = (RENAMED,)
    await bench.run()
    assert names(bench) == ["Second"]
    assert await letters(bench) == []


@pytest.mark.parametrize("mappings", [(RENAMED,), (OFF,), ()])
async def test_a_waiting_replay_whose_mapping_is_gone_is_a_dead_letter_again(
    bench: Bench, mappings: tuple[Any, ...]
) -> None:
    event = orjson.dumps({"userId": "u1", **TRACK}).decode()
    await bench.redis.rpush(KEYS.outbox + "u1", partial_entry(event, only=["second"], replay="letter 1"))
    await bench.redis.zadd(KEYS.due, {"u1": bench.now_ms})
    await bench.redis.incr(KEYS.pending)
    bench.mappings = mappings
    await bench.run()
    assert bench.requests == []
    assert [(letter.reason, letter.mappings) for letter in await letters(bench)] == [("mapping_gone", ("second",))]
    assert "filtered" not in await bench.counters()


async def kill_after_sending(bench: Bench) -> None:
    """A run that sends and is killed before it records anything; its claim lapses."""

    async def dies(*_: Any) -> None:
        raise ClaimGoneError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Delivery, "_settle", dies)
        await bench.run()
    bench.now_ms += 60_000


@pytest.mark.parametrize("mappings", [(RENAMED,), (OFF,), ()])
@pytest.mark.parametrize("kills", [1, 2])
async def test_what_a_killed_worker_may_have_sent_is_not_sent_by_another_mapping(
    bench: Bench, mappings: tuple[Any, ...], kills: int
) -> None:
    bench.mappings = (SECOND,)
    await bench.enqueue(TRACK, {**TRACK, "event": "Later", "messageId": "n"})
    await kill_after_sending(bench)
    bench.mappings = mappings
    for _ in range(kills - 1):
        await kill_after_sending(bench)
    await bench.run()
    assert names(bench) == ["Second", "Second"][: 1 + (mappings == (RENAMED,))]
    assert [letter.message_ids for letter in await letters(bench)] == [("m",)]
    assert [letter.reason for letter in await letters(bench)] == ["mapping_gone"]
    assert await bench.pending() == 0


async def test_what_a_killed_worker_may_have_sent_goes_again_under_its_key_where_only_the_trigger_changed(
    bench: Bench,
) -> None:
    bench.mappings = (SECOND,)
    await bench.enqueue(TRACK)
    await kill_after_sending(bench)
    bench.mappings = (NARROWED,)
    await bench.run()
    assert len({request["idempotency_key"] for request in bench.requests}) == 1
    assert [request["status"] for request in bench.requests] == [200, 409]
    assert await letters(bench) == []
    assert (await bench.counters())["delivered"] == 1
