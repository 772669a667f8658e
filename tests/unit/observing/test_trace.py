"""What `read_trails` answers, after real runs against the sandbox in one process."""

from collections.abc import Callable
from typing import Any

import orjson

from segue_sandbox.faults import InjectedFault
from segue_worker.cli.trace import as_text
from segue_worker.delivery.backlog import Backlog
from segue_worker.delivery.journal import Journal
from segue_worker.mapping.values import why_of
from segue_worker.observing.log import Logged, end_of, find, follow, forget_people
from segue_worker.observing.log_lines import lines
from segue_worker.observing.trace import read_trails
from segue_worker.operating.dead_letters import Filter, drop, matching, replay
from segue_worker.outbox import Next
from segue_worker.outbox.log_record import Record
from tests.unit.delivery.conftest import CONTACTS, EVENTS, KEYS, mapping
from tests.unit.observing.conftest import IDENTIFY, TRACK, Scene, refuse_rest

Act = Callable[..., None]


def test_a_delivered_event_has_its_time_its_attempts_and_their_answers(scene: Scene) -> None:
    scene.bench.sandbox.faults.add(InjectedFault(status=503, count=2))
    scene.enqueue({**TRACK, "messageId": "m"})
    scene.run()
    trail = scene.trail("m")
    assert (trail.outcome, trail.name, trail.merged_with) == ("delivered", "E", ())
    assert scene.story("m") == ["enqueued", "attempt", "attempt", "attempt", "delivered"]
    assert trail.steps[0].at == scene.bench.now_ms
    attempts = [step.details for step in trail.steps[1:4]]
    assert [(each["number"], each["status"], each["mapping"], each["path"]) for each in attempts] == [
        (1, 503, "events", "/events/send"),
        (2, 503, "events", "/events/send"),
        (3, 200, "events", "/events/send"),
    ]


def test_a_merged_event_names_those_it_shared_a_request_with(scene: Scene) -> None:
    scene.enqueue(*({**IDENTIFY, "messageId": name} for name in "abc"))
    scene.run()
    assert scene.trail("b").merged_with == ("a", "c")
    assert scene.story("b") == ["enqueued", "attempt", "delivered"]
    assert "one request with a, c" in as_text(scene.trail("b"))


def test_a_filtered_event_names_the_condition_that_failed_and_no_data(scene: Scene) -> None:
    picky = mapping("picky", "sendEvent", trigger='type = "track" and event = "Other"')
    scene.bench.mappings = (CONTACTS, picky, mapping("off", "sendEvent", enabled=False))
    scene.enqueue({**TRACK, "event": "secret@example.com", "messageId": "m"})
    scene.run()
    trail = scene.trail("m")
    assert trail.outcome == "filtered"
    assert trail.steps[-1].details["because"] == [
        {"mapping": "contacts", "condition": 'type = "identify"'},
        {"mapping": "picky", "condition": 'event = "Other"'},
        {"mapping": "off", "condition": "the mapping is disabled"},
    ]
    assert "secret" not in str(scene.reader.hgetall(KEYS.because))
    assert "'picky' requires event = \"Other\"" in as_text(trail)


def test_an_event_kept_back_by_its_integrations_says_so(scene: Scene) -> None:
    scene.enqueue({**TRACK, "messageId": "m", "integrations": {"All": False}})
    scene.run()
    assert "filtered: the event's `integrations` keep it back from Loops" in as_text(scene.trail("m"))


def test_a_second_copy_is_a_duplicate_and_changes_nothing_of_the_first(scene: Scene) -> None:
    scene.enqueue({**TRACK, "messageId": "m"})
    scene.run()
    scene.enqueue({**TRACK, "messageId": "m"})
    scene.run()
    assert scene.trail("m").outcome == "delivered"
    assert scene.story("m") == ["enqueued", "attempt", "delivered", "duplicate"]
    scene.reader.xtrim(KEYS.log, maxlen=1, approximate=False)
    assert scene.trail("m").outcome == "duplicate"


def test_a_parked_event_says_until_when_and_after_what(scene: Scene) -> None:
    scene.bench.sandbox.faults.add(InjectedFault(status=500, count=3))
    scene.enqueue({**TRACK, "messageId": "m"}, {**TRACK, "messageId": "behind"})
    scene.run()
    trail = scene.trail("m")
    assert trail.outcome == "parked"
    assert scene.story("m") == ["enqueued", "attempt", "attempt", "attempt", "parked", "pending"]
    assert (trail.steps[-2].details["because"], trail.steps[-1].details["attempts"]) == ("500", 3)
    assert trail.steps[-1].details["until"] == trail.steps[-2].details["until"]
    assert scene.story("behind") == ["enqueued", "pending"]
    assert scene.trail("behind").steps[-1].details["events_before"] == 1

    scene.bench.now_ms += 3_600_000
    scene.run()
    assert scene.trail("m").outcome == "delivered"
    assert [step.details["number"] for step in scene.trail("m").steps if step.what == "attempt"] == [1, 2, 3, 4]


def test_an_event_that_waits_is_found_however_its_id_is_spelled(scene: Scene) -> None:
    for name in ("plain", 'with "quotes" and \\', "ünï"):
        scene.enqueue({**TRACK, "messageId": name})
        assert scene.trail(name).outcome == "pending"
    scene.run()
    for name in ("plain", 'with "quotes" and \\', "ünï"):
        assert scene.trail(name).outcome == "delivered"


def test_a_dead_event_names_its_letter_and_a_replay_is_part_of_the_story(scene: Scene) -> None:
    scene.bench.sandbox.faults.add(InjectedFault(status=400, count=1))
    scene.enqueue({**TRACK, "messageId": "m"})
    scene.run()
    (letter,) = matching(scene.reader, "loops", Filter())
    trail = scene.trail("m")
    assert trail.outcome == "dead"
    assert trail.steps[-1].details["reason"] == "refused"
    assert (trail.steps[-1].details["letter"], trail.steps[-1].details["kept"]) == (letter.id, True)

    list(replay(scene.reader, "loops", [letter], send_hint=lambda _: None))
    assert scene.trail("m").outcome == "pending"
    assert scene.story("m") == ["enqueued", "attempt", "dead", "replayed", "pending"]
    scene.run()
    trail = scene.trail("m")
    assert trail.outcome == "delivered"
    assert scene.story("m") == ["enqueued", "attempt", "dead", "replayed", "attempt", "delivered"]
    assert trail.steps[2].details["kept"] is False


def test_an_event_whose_mapping_failed_is_dead_or_delivered_without_it(scene: Scene) -> None:
    broken = mapping("broken", "sendEvent", fields={"email": "no address"})
    scene.bench.mappings = (broken,)
    scene.enqueue({**TRACK, "messageId": "dead"})
    scene.run()
    assert scene.trail("dead").outcome == "dead"
    assert scene.story("dead") == ["enqueued", "failed", "dead"]
    scene.bench.mappings = (broken, EVENTS)
    scene.enqueue({**TRACK, "messageId": "half"})
    scene.run()
    assert scene.trail("half").outcome == "delivered"
    assert sorted(scene.story("half")) == ["attempt", "delivered", "enqueued", "failed"]


def test_a_merge_taken_apart_shows_both_sendings(scene: Scene) -> None:
    scene.bench.sandbox.faults.add(InjectedFault(status=400, body_matches="poison"))
    scene.enqueue(
        {**IDENTIFY, "messageId": "good"}, {"type": "identify", "traits": {"a": "poison"}, "messageId": "bad"}
    )
    scene.run()
    assert scene.story("good") == ["enqueued", "attempt", "apart", "attempt", "delivered"]
    assert scene.trail("bad").outcome == "dead"
    assert scene.trail("good").merged_with == ()


def test_where_the_log_no_longer_reaches_letters_and_seen_ids_still_answer(scene: Scene) -> None:
    scene.bench.sandbox.faults.add(InjectedFault(status=400, event="Bad"))
    scene.bench.now_ms = int(scene.reader.time()[0]) * 1000
    scene.enqueue({**TRACK, "messageId": "ok"}, {**TRACK, "event": "Bad", "messageId": "bad"})
    scene.run()
    scene.reader.delete(KEYS.log)
    assert scene.trail("ok").outcome == "settled"
    assert scene.trail("bad").outcome == "dead"
    drop(scene.reader, "loops", [letter.id for letter in matching(scene.reader, "loops", Filter())])
    assert read_trails(scene.reader, "loops", "never") == []


def test_each_step_of_a_two_mapping_event_is_told(scene: Scene) -> None:
    scene.bench.mappings = (EVENTS, mapping("also", "sendEvent", fields={"eventName": "Also"}))
    scene.enqueue({**TRACK, "messageId": "m"})
    scene.run()
    assert scene.story("m") == ["enqueued", "attempt", "delivered", "attempt", "delivered"]


def test_the_log_is_followed_from_where_it_ends(scene: Scene) -> None:
    scene.enqueue({**TRACK, "messageId": "before"})
    scene.run()
    position = end_of(scene.reader, ["loops", "other"])
    scene.enqueue({**TRACK, "messageId": "m"}, {**TRACK, "messageId": "m"}, {**IDENTIFY, "messageId": "n"})
    scene.run()
    found, position = follow(scene.reader, position, block_ms=1)
    told = [line for name, logged in found for line in lines(name, logged)]
    assert [(line.message_id, line.event, line.outcome) for line in told] == [
        ("m", "E", "delivered"),
        ("m", "E", "duplicate"),
        ("n", "identify", "delivered"),
    ]
    assert (told[0].status, told[0].mappings, told[0].merged) == (200, ("events",), 1)
    assert told[1].ms is None
    assert follow(scene.reader, position, block_ms=1)[0] == []


def test_what_follows_an_interrupted_delivery_says_so_once(scene: Scene) -> None:
    position = end_of(scene.reader, ["loops"])
    scene.enqueue({**TRACK, "messageId": "m"}, {**TRACK, "messageId": "n"})
    scene.claim_and_die()
    scene.run()
    assert scene.trail("m").outcome == "delivered"
    assert scene.story("m") == ["enqueued", "interrupted", "attempt", "delivered"]
    assert scene.story("n") == ["enqueued", "attempt", "delivered"]
    words = (
        "an earlier delivery of this contact was interrupted; "
        "its last request may have been sent without being recorded"
    )
    assert words in as_text(scene.trail("m"))
    found, _ = follow(scene.reader, position, block_ms=1)
    first, second = (line for name, logged in found for line in lines(name, logged))
    assert (first.outcome, first.to_dict()["interrupted"], words in first.text("")) == ("delivered", 1, True)
    assert (second.outcome, second.to_dict()["interrupted"], "interrupted" in second.text("")) == (
        "delivered",
        0,
        False,
    )


def test_interruptions_with_nothing_recorded_between_are_told_together(scene: Scene) -> None:
    scene.enqueue({**TRACK, "messageId": "m"})
    scene.claim_and_die()
    scene.claim_and_die()
    scene.run()
    text = as_text(scene.trail("m"))
    assert "2 earlier deliveries of this contact were interrupted; the last request of each may have been sent" in text


def test_an_interruption_is_recorded_also_where_nothing_else_is() -> None:
    entries = [orjson.dumps({**TRACK, "messageId": name}) for name in "mn"]
    journal = Journal(b"u1", interrupted=1)
    backlog = Backlog(b"u1", entries, now_ms=lambda: 1, journal=journal)
    record = Record.from_json(backlog.settlement(Next.RELEASE).record)
    assert ([part.message_id for part in record.events], record.interrupted) == (["m"], 1)
    (line,) = lines("loops", Logged(1, record))
    assert (line.message_id, line.event, line.outcome, line.interrupted) == ("m", "E", "interrupted", 1)
    assert backlog.settlement(Next.RELEASE).record == b""


def test_an_entry_without_the_number_of_interruptions_is_read() -> None:
    record = Record.from_json(b'["0123456789abcdef",[["m","E","filtered",1,"",[]]],null]')
    assert (record.named("m"), record.interrupted) == ({"m"}, 0)
    assert record.to_json() == b'["0123456789abcdef",[["m","E","filtered",1,"",[]]],null]'


def test_the_log_knows_a_contact_by_digest_only(scene: Scene) -> None:
    scene.enqueue({**IDENTIFY, "userId": "someone@example.com", "messageId": "a"}, {**TRACK, "messageId": "b"})
    scene.run()
    assert scene.reader.xlen(KEYS.log) == 2
    assert "example.com" not in str(scene.reader.xrange(KEYS.log))
    assert forget_people(scene.reader, "loops", ["someone@example.com"], []) == 1
    assert (len(find(scene.reader, "loops", "a")), len(find(scene.reader, "loops", "b"))) == (0, 1)


def test_each_event_that_a_batch_had_too_many_is_found_by_its_own_id(scene: Scene) -> None:
    refuse_rest(scene.reader, "late-1", "late-2", "77")
    for name in ("late-1", "late-2", "77"):
        (trail,) = read_trails(scene.reader, "loops", name)
        assert (trail.message_id, trail.outcome, trail.source) == (name, "dead", "0123456789abcdef")
        assert "segue dead show" in as_text(trail)


def test_a_longer_id_is_not_taken_for_the_one_it_contains(scene: Scene) -> None:
    scene.enqueue({**TRACK, "messageId": "m"}, {**TRACK, "messageId": "mm"})
    scene.run()
    assert len(find(scene.reader, "loops", "m")) == 1


REPAIRING = mapping("contacts", "createOrUpdateContact", values="repair")


def test_what_was_left_out_is_told_of_its_event_only_and_counted_once(scene: Scene) -> None:
    scene.bench.mappings = (REPAIRING,)
    scene.bench.sandbox.faults.add(InjectedFault(status=500, count=3))
    scene.enqueue(
        {**IDENTIFY, "messageId": "good"},
        {"type": "identify", "messageId": "bad", "traits": {"address": {"city": "London"}, "createdAt": 1_700_000_000}},
        {"type": "identify", "messageId": "also bad", "traits": {"address": []}},
    )
    scene.run()
    scene.bench.now_ms += 3_600_000
    scene.run()

    body = scene.bench.bodies[-1]
    assert (body["email"], body["createdAt"], "address" in body) == ("u1@example.com", 1_700_000_000_000, False)
    assert [step.details for step in scene.trail("bad").steps if step.what == "value"] == [
        {"key": "address", "mapping": "contacts", "why": why_of("object")},
        {"key": "createdAt", "mapping": "contacts", "why": why_of("unit")},
    ]
    assert scene.trail("bad").outcome == "delivered"
    assert "value" not in scene.story("good")
    assert "  address for 'contacts': left out: a property cannot hold a list" in as_text(scene.trail("also bad"))
    counted = scene.reader.hgetall(KEYS.totals)
    assert (counted[b"left_out"], counted[b"repaired"]) == (b"2", b"1")
    parked = [line for logged in find(scene.reader, "loops", "bad") for line in lines("loops", logged)][:3]
    assert [line.repaired for line in parked] == [(), ("address", "createdAt"), ("address",)]


def test_an_event_with_hundreds_of_bad_values_does_not_fill_the_log(scene: Scene) -> None:
    scene.bench.mappings = (REPAIRING,)
    traits: dict[str, Any] = {f"list{number}": [] for number in range(500)}
    scene.enqueue({"type": "identify", "messageId": "bad", "traits": {"email": "u1@example.com", **traits}})
    scene.run()

    keys = [step.details["key"] for step in scene.trail("bad").steps if step.what == "value"]
    assert (len(keys), keys[-1]) == (51, "…")
    assert scene.reader.hget(KEYS.totals, "left_out") == b"500"


def test_entries_of_the_log_without_repairs_are_still_read() -> None:
    old = orjson.dumps(("digest", [], ["/events/send", [["m", "events"]], [[1, 200, 5]], 1, "delivered", "", 0, ""]))
    request = Record.from_json(old).request
    assert request is not None
    assert (request.outcome, request.repairs) == ("delivered", ())
