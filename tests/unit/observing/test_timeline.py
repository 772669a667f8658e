"""The recent events of a person, named by any of their ids in any spelling."""

from typing import Any, Final

import pytest

from segue_sandbox.faults import InjectedFault
from segue_worker.observing.timeline import Timeline, read_timeline
from segue_worker.operating.forget import forget_here
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.log_record import EventPart, Record
from segue_worker.outbox.names import Sought, name_digest, names_of
from tests.unit.delivery.conftest import KEYS
from tests.unit.observing.conftest import TRACK, Scene, refuse_rest

ADA: Final[dict[str, Any]] = {
    "type": "identify",
    "userId": "User-42",
    "anonymousId": "Anon-7",
    "traits": {"email": "Ada@Example.com"},
    "messageId": "identify",
}
BOUGHT: Final[dict[str, Any]] = {"type": "track", "event": "Bought", "userId": "User-42", "messageId": "bought"}
OTHER: Final[dict[str, Any]] = {**TRACK, "userId": "user-43", "messageId": "other"}


def look_up(scene: Scene, identity: str, **options: Any) -> Timeline:
    return read_timeline(scene.reader, {"loops": ""}, identity, most=options.pop("most", 50), **options)


def found(scene: Scene, identity: str, **options: Any) -> list[tuple[str, str]]:
    return [(trail.message_id, trail.outcome) for trail in look_up(scene, identity, **options).trails]


SPELLINGS: Final = (
    *("User-42", " User-42 ", "user-42", "USER-42"),
    *("Ada@Example.com", "ada@example.com", "  ADA@EXAMPLE.COM\n"),
    *("Anon-7", "anon-7 "),
)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_what_was_delivered_is_found_by_every_id_of_the_person_in_any_spelling(scene: Scene, spelling: str) -> None:
    scene.enqueue(ADA, OTHER)
    scene.run()
    scene.enqueue(BOUGHT)
    scene.run()
    assert sorted(found(scene, spelling)) == [("bought", "delivered"), ("identify", "delivered")]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_so_is_what_waits_and_was_never_sent(scene: Scene, spelling: str) -> None:
    scene.enqueue(ADA, OTHER, BOUGHT)
    assert sorted(found(scene, spelling)) == [("bought", "pending"), ("identify", "pending")]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_so_is_a_dead_letter_that_the_log_no_longer_tells_of(scene: Scene, spelling: str) -> None:
    scene.bench.sandbox.faults.add(InjectedFault(status=400, count=1))
    scene.enqueue(ADA)
    scene.run()
    scene.reader.delete(KEYS.log)
    (trail,) = look_up(scene, spelling).trails
    assert (trail.message_id, trail.name, trail.outcome) == ("identify", "identify", "dead")


@pytest.mark.parametrize(("enqueued", "typed"), [(777, "777"), (777.0, "777.0"), ("777", "777.0"), ("777.0", " 777")])
def test_a_number_is_found_however_it_is_written(scene: Scene, enqueued: Any, typed: str) -> None:
    scene.enqueue({**TRACK, "userId": enqueued, "messageId": "m"})
    scene.run()
    assert found(scene, typed) == [("m", "delivered")]


def test_who_is_found_exactly_is_not_taken_for_one_whose_id_has_another_case(scene: Scene) -> None:
    scene.enqueue({**TRACK, "userId": "aB1", "messageId": "one"}, {**TRACK, "userId": "Ab1", "messageId": "two"})
    scene.run()
    assert found(scene, "aB1") == [("one", "delivered")]
    assert sorted(found(scene, "ab1")) == [("one", "delivered"), ("two", "delivered")]


@pytest.mark.parametrize("spelling", ["User-42", "ada@example.com", "Anon-7"])
@pytest.mark.parametrize("waiting", [False, True])
def test_what_came_before_the_person_had_a_userid_is_theirs(scene: Scene, spelling: str, waiting: bool) -> None:  # noqa: FBT001 - a parameter of the test
    email = {"email": "ada@example.com"}
    scene.enqueue({**TRACK, "userId": None, "properties": {}, "anonymousId": "Anon-7", "messageId": "anonymous"})
    scene.enqueue({**TRACK, "userId": None, "properties": email, "messageId": "by email"})
    if not waiting:
        scene.run()
    scene.enqueue(ADA, {**OTHER, "anonymousId": "Anon-8"})
    if not waiting:
        scene.run()
    assert {name for name, _ in found(scene, spelling)} == {"anonymous", "by email", "identify"}


def test_a_userid_that_is_an_email_is_found_in_any_case(scene: Scene) -> None:
    scene.enqueue({**TRACK, "userId": "Ada@Example.com", "messageId": "bought"})
    scene.run()
    assert found(scene, "ada@example.com") == [("bought", "delivered")]


def test_the_latest_come_first_and_only_so_many(scene: Scene) -> None:
    for number in range(5):
        scene.enqueue({**BOUGHT, "messageId": f"m{number}"})
        scene.run()
        scene.bench.now_ms += 1000
    scene.enqueue({**BOUGHT, "messageId": "waiting"})
    assert [name for name, _ in found(scene, "User-42", most=3)] == ["waiting", "m4", "m3"]


def test_each_event_says_what_became_of_it(scene: Scene) -> None:
    scene.bench.sandbox.faults.add(InjectedFault(status=503, count=3))
    scene.enqueue(ADA, BOUGHT)
    scene.run()
    parked = next(trail for trail in look_up(scene, "ada@example.com").trails if trail.message_id == "identify")
    assert [step.what for step in parked.steps] == [
        *("enqueued", "attempt", "attempt", "attempt", "parked", "pending"),
    ]
    waiting = look_up(scene, "ada@example.com").waiting["loops", parked.message_id]
    assert (waiting.contact, waiting.parked is not None) == ("User-42", True)


def test_a_messageid_is_found_beside_a_person(scene: Scene) -> None:
    scene.enqueue({**TRACK, "userId": "same", "messageId": "m"}, {**TRACK, "userId": "u9", "messageId": "same"})
    scene.run()
    assert sorted(found(scene, "same", message_id="same")) == [("m", "delivered"), ("same", "delivered")]
    assert found(scene, "same") == [("m", "delivered")]


def test_answers_are_masked_until_asked_for(scene: Scene) -> None:
    letter = DeadLetter("refused", "400 ada@example.com is invalid", "User-42", ("events",), ("m",), ("{}",), at=1)
    scene.reader.hset(KEYS.dead, letter.id, letter.to_json())
    scene.reader.zadd(KEYS.dead_at, {letter.id: 1})
    assert "ada@" not in str(look_up(scene, "User-42").trails)
    assert "ada@" in str(look_up(scene, "User-42", reveal=True).trails)


def test_what_another_version_logged_is_found_by_its_contact(scene: Scene) -> None:
    record = Record(name_digest("User-42"), (EventPart("m", "E", "filtered", 1),)).to_json()
    assert record.startswith(b'["' + name_digest("User-42").encode() + b'",')
    scene.reader.xadd(KEYS.log, {"e": record})
    assert found(scene, "User-42") == [("m", "filtered")]
    assert found(scene, "nobody") == []


def test_who_is_forgotten_is_forgotten_in_the_log_too_and_others_who_share_a_device_are_not(scene: Scene) -> None:
    scene.enqueue(ADA, {**OTHER, "anonymousId": "Anon-7"})
    scene.run()
    assert forget_here(scene.reader, "loops", "ada@example.com", wait=lambda _: None).log_entries == 1
    assert found(scene, "User-42") == []
    assert found(scene, "user-43") == [("other", "delivered")]


def test_of_what_a_batch_had_too_many_only_the_event_asked_for_is_told(scene: Scene) -> None:
    refuse_rest(scene.reader, *(f"late-{number}" for number in range(100)))
    for name in ("late-0", "late-99"):
        assert found(scene, name, message_id=name) == [(name, "dead")]
    assert found(scene, "late-1") == []


def test_the_digests_of_a_log_entry_name_nobody(scene: Scene) -> None:
    scene.enqueue(ADA)
    scene.run()
    text = str(scene.reader.xrange(KEYS.log)).lower()
    assert not any(part in text for part in ("user-42", "ada@example", "anon-7"))


def test_a_loose_spelling_never_names_a_contact() -> None:
    contact = name_digest("User-42")
    names = (contact, *names_of([ADA], "User-42"))
    assert names.count(contact) == 1
    assert name_digest("user-42") not in names
    assert contact in Sought.by("user-42").contacts([" ".join(names)])
    assert Sought.by("user-43").contacts([" ".join(names)]) == set()
