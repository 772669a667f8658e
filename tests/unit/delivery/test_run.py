"""A run, from outbox to ledger."""

import asyncio
from typing import Any

import orjson
import pytest
from fakeredis import FakeRedis

from segue_producer.entries import source_of
from segue_sandbox.faults import InjectedFault
from segue_worker.delivery.context import RunContext
from segue_worker.loops import LoopsClient
from segue_worker.operating.dead_letters import Chooser, History, prepare_replay
from segue_worker.operating.dead_letters.replaying import Replay
from segue_worker.outbox import Outbox
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.entry import partial_entry, read_entry
from segue_worker.outbox.pause import Pause, PauseKind

from .conftest import EVENTS, KEYS, Bench, mapping

IDENTIFY = {"type": "identify", "traits": {"email": "u1@example.com"}}
TRACK = {"type": "track", "event": "E", "properties": {"email": "u1@example.com"}}


async def dead_letters(bench: Bench) -> list[DeadLetter]:
    return [DeadLetter.from_json(raw) for raw in (await bench.redis.hgetall(KEYS.dead)).values()]


async def test_events_of_a_contact_are_sent_in_order_and_settled(bench: Bench) -> None:
    await bench.enqueue(IDENTIFY, {**TRACK, "event": "First"}, {**TRACK, "event": "Second"})
    assert not await bench.run()
    assert [body.get("eventName") for body in bench.bodies] == [None, "First", "Second"]
    assert await bench.pending() == 0
    assert await bench.counters() == {"delivered": 3, "requests": 3}
    assert await bench.redis.exists(KEYS.due, KEYS.lease, KEYS.run, KEYS.parked) == 0


async def test_an_event_whose_mappings_do_not_fire_is_filtered(bench: Bench) -> None:
    bench.mappings = (EVENTS,)
    await bench.enqueue(IDENTIFY, {**TRACK, "integrations": {"All": False}})
    await bench.run()
    assert bench.requests == []
    assert await bench.counters() == {"filtered": 2}


async def test_a_message_id_takes_effect_once_within_and_across_runs(bench: Bench) -> None:
    await bench.enqueue({**TRACK, "messageId": "m"}, {**TRACK, "messageId": "m"})
    await bench.enqueue({**TRACK, "messageId": "m", "userId": "another lane"})
    await bench.run()
    await bench.enqueue({**TRACK, "messageId": "m"})
    await bench.run()
    assert len(bench.requests) == 1
    assert await bench.counters() == {"delivered": 1, "duplicates": 3, "requests": 1}


async def test_a_quick_failure_is_retried_in_the_run_with_the_same_key(bench: Bench) -> None:
    bench.sandbox.faults.add(InjectedFault(status=503, count=2))
    await bench.enqueue(TRACK)
    await bench.run()
    assert [request["status"] for request in bench.requests] == [503, 503, 200]
    assert len({request["idempotency_key"] for request in bench.requests}) == 1
    assert await bench.counters() == {"delivered": 1, "requests": 3, "retries": 2}


async def test_a_lasting_failure_parks_the_contact_and_its_request_is_resent_byte_for_byte(bench: Bench) -> None:
    bench.sandbox.faults.add(InjectedFault(status=500, count=3))
    await bench.enqueue(IDENTIFY, {"type": "identify", "traits": {"plan": "pro"}})
    assert not await bench.run()
    assert await bench.redis.hlen(KEYS.parked) == 1
    assert await bench.pending() == 2

    # Whatever the configuration says by then, and whatever came later, which waits behind.
    bench.mappings = (mapping("contacts", "createOrUpdateContact", fields={"source": "changed"}), EVENTS)
    bench.settings = {"coalesce": "off"}
    await bench.enqueue({"type": "identify", "traits": {"plan": "later"}})
    bench.now_ms += 3_600_000
    await bench.run()
    bodies = bench.bodies
    assert bodies[0] == bodies[1] == bodies[2] == bodies[3]
    assert bodies[0]["plan"] == "pro"
    assert (bodies[4]["plan"], bodies[4]["source"]) == ("later", "changed")
    assert await bench.redis.hlen(KEYS.parked) == 0
    assert await bench.counters() == {"delivered": 3, "merged": 1, "requests": 5, "retries": 3}


async def test_a_request_is_given_up_when_it_is_too_old(bench: Bench) -> None:
    bench.sandbox.faults.add(InjectedFault(status=500))
    await bench.enqueue({**TRACK, "messageId": "m"})
    for _ in range(3):
        await bench.run()
        bench.now_ms += 50_000_000
    (letter,) = await dead_letters(bench)
    assert (letter.reason, letter.message_ids, letter.attempts) == ("expired", ("m",), 6)
    assert await bench.pending() == 0


async def test_a_wrong_key_pauses_and_nothing_dies_and_a_probe_resumes(bench: Bench) -> None:
    bench.sandbox.keys.revoke("sandbox-key")
    await bench.enqueue(IDENTIFY, TRACK)
    assert not await bench.run()
    pause = await bench.outbox().paused()
    assert pause is not None
    assert pause.next_probe == bench.now_ms + 60_000
    assert [request["path"] for request in bench.requests] == ["/contacts/update"]

    bench.now_ms = pause.next_probe
    assert not await bench.run()
    assert [request["path"] for request in bench.requests[1:]] == ["/api-key"]

    bench.sandbox.keys.restore("sandbox-key")
    bench.now_ms += 3_600_000
    await bench.run()
    assert [request["path"] for request in bench.requests[2:]] == ["/api-key", "/contacts/update", "/events/send"]
    assert await bench.outbox().paused() is None
    assert await dead_letters(bench) == []


async def test_a_pause_by_hand_is_not_probed(bench: Bench) -> None:
    await bench.outbox().pause(Pause("by hand", bench.now_ms, None))
    await bench.enqueue(TRACK)
    bench.now_ms += 10_000_000
    assert not await bench.run()
    assert bench.requests == []


async def test_a_pause_that_outlives_its_time_ends_and_what_waited_is_sent(bench: Bench) -> None:
    until = bench.now_ms + 1_800_000
    await bench.outbox().pause(Pause("by hand", bench.now_ms, None, until=until))
    await bench.enqueue(TRACK)
    bench.now_ms = until - 1
    assert not await bench.run()
    assert bench.requests == []
    bench.now_ms = until
    await bench.run()
    assert [request["path"] for request in bench.requests] == ["/events/send"]
    assert await bench.outbox().paused() is None


async def test_a_final_refusal_becomes_a_dead_letter_and_the_contact_goes_on(bench: Bench) -> None:
    bench.sandbox.faults.add(InjectedFault(status=400, event="Bad"))
    await bench.enqueue(IDENTIFY, {**TRACK, "event": "Bad", "messageId": "bad"}, TRACK)
    await bench.run()
    (letter,) = await dead_letters(bench)
    assert (letter.reason, letter.message_ids, letter.mappings, letter.attempts) == (
        "refused",
        ("bad",),
        ("events",),
        1,
    )
    assert letter.answer is not None
    assert letter.answer["status"] == 400
    assert letter.request is not None
    assert orjson.loads(letter.request["body"])["eventName"] == "Bad"
    assert await bench.counters() == {"delivered": 2, "dead": 1, "requests": 3}


async def test_an_event_at_fault_becomes_a_dead_letter_and_its_neighbours_go_on(bench: Bench) -> None:
    await bench.enqueue(TRACK)
    await bench.redis.rpush(KEYS.outbox + "u1", b"\xff no event")
    await bench.redis.incr(KEYS.pending)
    await bench.enqueue({**TRACK, "properties": {"email": "no address"}}, TRACK)
    await bench.run()
    assert sorted(letter.reason for letter in await dead_letters(bench)) == ["payload", "unreadable"]
    assert len(bench.requests) == 2
    assert await bench.pending() == 0


async def test_a_merge_that_is_refused_is_taken_apart(bench: Bench) -> None:
    bench.settings = {"coalesce": "updates_into_events"}
    bench.sandbox.faults.add(InjectedFault(status=400, body_matches="poison"))
    await bench.enqueue(IDENTIFY, {"type": "identify", "traits": {"a": "poison"}, "messageId": "guilty"}, TRACK)
    await bench.run()
    # The whole, its two updates, each of them, and the event.
    assert [request["status"] for request in bench.requests] == [400, 400, 200, 400, 200]
    first, *_, last = bench.requests
    assert first["idempotency_key"] != last["idempotency_key"]
    assert [letter.message_ids for letter in await dead_letters(bench)] == [("guilty",)]


async def test_updates_folded_into_an_event_that_was_sent_before_go_on_their_own(bench: Bench) -> None:
    # A run sent the event alone and was killed before it could record it; the next folds an update into it.
    bench.mappings = (EVENTS,)
    await bench.enqueue({**TRACK, "messageId": "m"})
    await bench.run()
    await bench.redis.flushall()
    bench.mappings = Bench.mappings
    bench.settings = {"coalesce": "updates_into_events"}
    await bench.enqueue(
        {"type": "identify", "traits": {"email": "u1@example.com", "plan": "pro"}}, {**TRACK, "messageId": "m"}
    )
    await bench.run()
    assert [request["status"] for request in bench.requests] == [200, 409, 200]
    assert bench.bodies[-1]["plan"] == "pro"
    assert len(bench.sandbox.events) == 1
    assert (await bench.counters())["delivered"] == 2


async def test_an_event_with_two_mappings_makes_two_requests_and_a_crash_between_repeats_neither(bench: Bench) -> None:
    second = mapping("also", "sendEvent", fields={"eventName": "Also"})
    bench.mappings = (EVENTS, second)
    bench.sandbox.faults.add(InjectedFault(status=500, event="Also", count=3))
    await bench.enqueue(TRACK)
    await bench.run()
    assert await bench.pending() == 1
    bench.now_ms += 3_600_000
    await bench.run()
    assert [body["eventName"] for body in bench.bodies] == ["E", "Also", "Also", "Also", "Also"]
    assert [event.name for event in bench.sandbox.events] == ["E", "Also"]
    assert (await bench.counters())["delivered"] == 1


async def test_one_of_two_mappings_at_fault_dies_alone_and_is_recorded_once(bench: Bench) -> None:
    broken = mapping("broken", "sendEvent", fields={"email": "no address"})
    bench.mappings = (broken, EVENTS)
    bench.sandbox.faults.add(InjectedFault(status=500, count=3))
    await bench.enqueue(TRACK)
    await bench.run()
    bench.now_ms += 3_600_000
    await bench.run()
    assert [letter.mappings for letter in await dead_letters(bench)] == [("broken",)]
    assert (await bench.counters())["delivered"] == 1


async def test_a_replay_is_no_duplicate_and_has_a_key_of_its_own(bench: Bench) -> None:
    await bench.enqueue({**TRACK, "messageId": "m"})
    await bench.run()
    (event,) = [orjson.dumps({"userId": "u1", **TRACK, "messageId": "m"}).decode()]
    await bench.redis.rpush(KEYS.outbox + "u1", partial_entry(event, only=["events"], replay="letter 1"))
    await bench.redis.zadd(KEYS.due, {"u1": bench.now_ms})
    await bench.redis.incr(KEYS.pending)
    await bench.run()
    first, second = bench.requests
    assert first["body"] == second["body"]
    assert first["idempotency_key"] != second["idempotency_key"]
    assert second["status"] == 200


async def test_a_run_that_must_stop_sends_nothing_more_and_hands_over(bench: Bench) -> None:
    await bench.enqueue(TRACK)
    assert await bench.run(stopping=lambda: True)
    assert (bench.requests, await bench.pending()) == ([], 1)
    assert not await bench.run()
    assert len(bench.requests) == 1


@pytest.mark.parametrize(("mode", "requests"), [("off", 4), ("updates", 3), ("updates_into_events", 2)])
async def test_every_mode_ends_with_the_same_contact(bench: Bench, mode: str, requests: int) -> None:
    bench.settings = {"coalesce": mode}
    await bench.enqueue(
        IDENTIFY,
        {"type": "identify", "traits": {"plan": "free", "seats": 1}},
        TRACK,
        {"type": "identify", "traits": {"plan": "pro"}},
    )
    await bench.run()
    assert len(bench.requests) == requests
    final = {key: value for body in bench.bodies for key, value in body.items()}
    assert (final["plan"], final["seats"]) == ("pro", 1)


async def test_a_key_revoked_for_an_hour_costs_a_probe_a_minute_and_no_event(bench: Bench) -> None:
    bench.sandbox.keys.revoke("sandbox-key")
    for number in range(30):
        await bench.enqueue({**TRACK, "userId": f"u{number % 3}", "event": str(number)})
    for _ in range(3600):
        await bench.run()
        bench.now_ms += 1000
    assert len(bench.requests) <= 1 + 3 + 60, "those under way when the pause began, and a probe a minute"
    bench.sandbox.keys.restore("sandbox-key")
    for _ in range(61):
        await bench.run()
        bench.now_ms += 1000
    assert await bench.pending() == 0
    assert await dead_letters(bench) == []
    sent = [(event.user_id, event.name) for event in bench.sandbox.events]
    for user in range(3):
        assert [name for sender, name in sent if sender == f"u{user}"] == [str(n) for n in range(30) if n % 3 == user]


async def test_a_loops_that_is_down_is_left_alone_and_all_is_delivered_when_it_is_back(bench: Bench) -> None:
    bench.sandbox.faults.add(InjectedFault(status=500))
    for number in range(40):
        await bench.enqueue({**TRACK, "userId": f"u{number}"})
    await bench.run()
    pause = await bench.outbox().paused()
    assert pause is not None
    assert pause.kind is PauseKind.DOWN
    asked = len(bench.requests)
    await bench.run()
    assert len(bench.requests) == asked

    bench.sandbox.faults.replace([])
    for _ in range(200):
        bench.now_ms += 10_000
        await bench.run()
    assert await bench.pending() == 0
    assert (await bench.counters())["delivered"] == 40


async def test_the_breaker_stops_a_wrong_mapping_before_the_outbox_is_empty(bench: Bench) -> None:
    bench.mappings = (mapping("wrong", "sendEvent", fields={"eventName": "Wrong"}),)
    bench.sandbox.faults.add(InjectedFault(status=400, event="Wrong"))
    for number in range(400):
        await bench.enqueue({**TRACK, "userId": f"u{number}"})
    while await bench.run():
        pass
    pause = await bench.outbox().paused()
    assert pause is not None
    assert pause.kind is PauseKind.BREAKER
    assert await bench.pending() >= 200
    assert len(bench.requests) <= 200

    bench.mappings = Bench.mappings
    assert await bench.outbox().replace_pause(pause, None)
    left = await bench.pending()
    while await bench.run():
        pass
    assert (await bench.counters())["delivered"] == left


@pytest.mark.parametrize("event", [{"properties": {"email": "no address"}}, {"properties": {}}])
async def test_what_costs_no_request_and_unknown_contacts_never_trip_the_breaker(
    bench: Bench, event: dict[str, Any]
) -> None:
    for number in range(120):
        await bench.enqueue({**TRACK, "userId": f"unknown{number}", **event})
    while await bench.run():
        pass
    assert await bench.outbox().paused() is None
    assert await bench.pending() == 0
    assert (await bench.counters())["dead"] == 120


async def test_what_was_resumed_is_not_paused_again_for_refused_requests_soon(bench: Bench) -> None:
    bench.sandbox.faults.add(InjectedFault(status=400, event="Wrong"))
    await bench.redis.set(KEYS.resumed, "1")
    for number in range(200):
        await bench.enqueue({**TRACK, "event": "Wrong", "userId": f"u{number}"})
    while await bench.run():
        pass
    assert await bench.outbox().paused() is None
    assert await bench.pending() == 0


@pytest.mark.parametrize(("status", "body"), [(403, "html"), (403, "json"), (404, "html"), (405, "json")])
async def test_a_request_that_something_in_between_refuses_is_set_aside_and_nobody_else_waits(
    bench: Bench, status: int, body: Any
) -> None:
    bench.sandbox.faults.add(InjectedFault(status=status, event="Blocked", body=body))
    await bench.enqueue({**TRACK, "event": "Blocked", "messageId": "blocked"}, {**TRACK, "event": "Behind"})
    await bench.enqueue({**TRACK, "event": "Other", "userId": "u2"})
    for _ in range(8):
        await bench.run()
        assert await bench.outbox().paused() is None
        bench.now_ms += 900_000
    assert {event.name for event in bench.sandbox.events} == {"Other", "Behind"}
    (letter,) = await dead_letters(bench)
    assert (letter.reason, letter.message_ids, letter.attempts) == ("refused", ("blocked",), 4)
    assert str(status) in letter.detail
    assert await bench.pending() == 0


async def test_a_run_that_must_leave_before_it_can_ask_for_the_key_pauses_nobody(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.sandbox.faults.add(InjectedFault(status=403, event="Blocked", body="html"))
    await bench.enqueue({**TRACK, "event": "Blocked", "messageId": "blocked"})
    await bench.enqueue({**TRACK, "event": "Other", "userId": "u2"})

    async def no_time_left(_: RunContext) -> None:
        return None

    with monkeypatch.context() as leaving:
        leaving.setattr(RunContext, "key_is_taken", no_time_left)
        await bench.run()
        sent = len(bench.requests)
        bench.now_ms += 4_000
        await bench.run()
    assert len(bench.requests) == sent, "sent again at once, it would take its turn from all others for ever"
    assert await bench.outbox().paused() is None
    assert await dead_letters(bench) == []
    assert await bench.pending() == 1
    for _ in range(8):
        await bench.run()
        bench.now_ms += 900_000
    (letter,) = await dead_letters(bench)
    assert (letter.reason, letter.message_ids) == ("refused", ("blocked",))
    assert {event.name for event in bench.sandbox.events} == {"Other"}


async def test_whether_the_key_is_taken_is_asked_before_what_waits_for_its_turn(bench: Bench) -> None:
    """A run that ends with its slots used up by requests of the same kind would never ask."""
    bench.sandbox.faults.add(InjectedFault(status=403, event="Blocked", body="html"))
    for number in range(6):
        await bench.enqueue({**TRACK, "event": "Blocked", "userId": f"u{number}"})
    bench.rate_limit = 5
    await bench.run()
    asked = [request["path"] == "/api-key" for request in bench.requests]
    assert asked.index(True) <= 2
    bench.now_ms += 900_000
    await bench.run()
    asked = [request["path"] == "/api-key" for request in bench.requests]
    assert (len(asked), asked.count(True)) == (13, 1), "one answer is enough for all, and for the next run"
    assert await bench.outbox().paused() is None


@pytest.mark.parametrize(
    "silence",
    [
        *(InjectedFault(path="/api-key", status=status, count=1) for status in (429, 503)),
        InjectedFault(path="/api-key", status=502, body="html", count=1),
        InjectedFault(path="/api-key", kind="drop_before_apply", count=1),
    ],
    ids=lambda fault: fault.kind if fault.kind != "status" else str(fault.status),
)
async def test_while_loops_does_not_say_whether_it_takes_the_key_only_what_was_refused_waits(
    bench: Bench, silence: InjectedFault
) -> None:
    bench.sandbox.faults.add(InjectedFault(status=403, event="Blocked", body="html"))
    bench.sandbox.faults.add(silence)
    for number in range(3):
        await bench.enqueue({**TRACK, "event": "Blocked", "userId": f"u{number}"})
    await bench.enqueue({**TRACK, "event": "Other", "userId": "u3"})
    await bench.run()
    assert [request["path"] for request in bench.requests].count("/api-key") == 1, "nobody asks again so soon"
    assert await bench.outbox().paused() is None
    assert {event.name for event in bench.sandbox.events} == {"Other"}
    assert (await bench.pending(), await dead_letters(bench)) == (3, [])
    for _ in range(8):
        bench.now_ms += 900_000
        await bench.run()
        assert await bench.outbox().paused() is None
    assert [letter.attempts for letter in await dead_letters(bench)] == [4, 4, 4], "refused while Loops takes the key"


async def test_an_address_that_is_not_the_api_pauses_and_costs_no_events(bench: Bench) -> None:
    bench.sandbox.faults.add(InjectedFault(status=404, body="html"))
    await bench.enqueue(*({**TRACK, "userId": f"u{number}"} for number in range(5)))
    await bench.run()
    pause = await bench.outbox().paused()
    assert pause is not None
    assert pause.kind is PauseKind.REFUSED
    assert await bench.pending() == 5
    assert await dead_letters(bench) == []


async def test_an_event_sent_apart_before_a_kill_is_sent_again_under_the_same_key(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.settings = {"coalesce": "updates_into_events"}
    bench.sandbox.faults.add(InjectedFault(status=400, body_matches="poison"))
    await bench.enqueue({"type": "identify", "traits": {"email": "u1@example.com", "a": "poison"}}, TRACK)
    settle = Outbox.settle
    sent: list[int] = []

    async def killed_after_the_event(self: Outbox, *args: Any, **options: Any) -> Any:
        if any(request["path"] == "/events/send" and request["status"] == 200 for request in bench.requests):
            sent.append(len(bench.requests))
            raise asyncio.CancelledError
        return await settle(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "settle", killed_after_the_event)
        await bench.run()
    assert sent
    bench.now_ms += 60_000
    await bench.run()
    assert len(bench.sandbox.events) == 1
    assert (await bench.counters())["delivered"] == 1
    assert await bench.pending() == 0


async def test_a_collision_of_keys_at_the_first_attempt_is_a_dead_letter_with_the_answer(bench: Bench) -> None:
    bench.sandbox.faults.add(InjectedFault(status=409, event="E", count=1))
    await bench.enqueue(TRACK)
    await bench.run()
    (letter,) = await dead_letters(bench)
    assert (letter.reason, letter.answer and letter.answer["status"]) == ("refused", 409)


async def test_one_contact_that_always_fails_holds_up_nobody(bench: Bench) -> None:
    bench.sandbox.faults.add(InjectedFault(status=500, contact="bad@example.com"))
    await bench.enqueue({**TRACK, "userId": "bad", "properties": {"email": "bad@example.com"}})
    for number in range(200):
        await bench.enqueue({**TRACK, "userId": f"u{number}"})
    while await bench.run():
        pass
    assert await bench.pending() == 1
    assert len(bench.sandbox.events) == 200
    assert await bench.outbox().paused() is None


async def test_what_waited_too_long_behind_a_pause_is_not_sent_again(bench: Bench) -> None:
    bench.sandbox.faults.add(InjectedFault(kind="drop_after_apply", count=3))
    await bench.enqueue({**TRACK, "messageId": "m"})
    await bench.run()
    await bench.outbox().pause(Pause("by hand", bench.now_ms, None))
    bench.now_ms += 2 * 86_400_000
    pause = await bench.outbox().paused()
    assert pause is not None
    await bench.outbox().replace_pause(pause, None)
    before = len(bench.requests)
    await bench.run()
    assert len(bench.requests) == before, "Loops has forgotten the Idempotency-Key by now"
    (letter,) = await dead_letters(bench)
    assert (letter.reason, letter.message_ids) == ("expired", ("m",))


async def test_each_retry_pause_and_dead_letter_is_a_line_in_the_log_without_personal_data(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "segue_worker")
    bench.sandbox.faults.add(InjectedFault(status=400, event="Bad"))
    bench.sandbox.faults.add(InjectedFault(status=503, event="Slow", count=1))
    bench.sandbox.faults.add(InjectedFault(status=401, event="Locked"))
    await bench.enqueue(
        *(IDENTIFY, {**TRACK, "event": "Bad", "messageId": "bad"}, {**TRACK, "event": "Slow", "messageId": "slow"}),
        {**TRACK, "event": "Locked", "messageId": "locked"},
    )
    await bench.run()
    (letter,) = await dead_letters(bench)
    assert caplog.messages == [
        f"messageId bad at loops was given up: refused; dead letter {letter.id}",
        "messageId slow at loops is sent again in 0.0 s: 503 Service Unavailable, attempt 1 (event Slow, mapping events)",
        "destination loops is paused (refused)",
    ]
    shared = {"destination": "loops", "mapping": "events"}
    assert [vars(record)["facts"] for record in caplog.records] == [
        shared
        | {"message_ids": ("bad",), "event": "Bad", "status": 400, "reason": "refused"}
        | {"attempt": 1, "dead_letter": letter.id},
        shared
        | {"message_ids": ("slow",), "event": "Slow", "status": 503, "reason": "503 Service Unavailable"}
        | {"attempt": 1, "next_s": 0.0},
        shared
        | {"message_ids": ("locked",), "event": "Locked", "status": 401, "reason": "refused", "pause": "refused"},
    ]
    assert "example.com" not in caplog.text


async def test_a_delivery_that_failed_in_segue_itself_names_its_event(
    bench: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(LoopsClient, "send", fails)
    await bench.enqueue({**TRACK, "messageId": "m"})
    await bench.run()
    (record,) = caplog.records
    told = {"message_ids": ("m",), "event": TRACK["event"], "mapping": "events", "status": 0, "reason": "internal"}
    assert vars(record)["facts"] == {"destination": "loops", "failures": 1, **told}


async def test_a_messageid_belongs_to_its_source(bench: Bench) -> None:
    page, twice = source_of("a page's write key"), {**TRACK, "messageId": "registered-u777"}
    await bench.enqueue(twice, twice, source=page)
    await bench.run()
    await bench.enqueue({**twice, "event": "The backend's own"}, twice)
    await bench.enqueue(twice, source=page)
    await bench.enqueue(twice, source=source_of("another key"))
    await bench.run()
    assert [body["eventName"] for body in bench.bodies] == ["E", "The backend's own", "E"]
    assert len({request["idempotency_key"] for request in bench.requests}) == 3
    assert (await bench.counters())["duplicates"] == 3


async def test_a_dead_letter_and_its_replay_keep_the_source(bench: Bench) -> None:
    page = source_of("a page's write key")
    bench.sandbox.faults.add(InjectedFault(status=400))
    await bench.enqueue({**TRACK, "messageId": "m1"}, source=page)
    await bench.run()
    (letter,) = await dead_letters(bench)
    assert (letter.sources, letter.message_ids) == ((page,), ("m1",))
    prepared = prepare_replay(letter, Chooser(None, History(FakeRedis(), "loops")))
    assert isinstance(prepared, Replay)
    assert [read_entry(entry).source for entry in prepared.entries] == [page]
