"""What is held of a person is found by any of their ids, and nobody else's."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from fakeredis import FakeRedis

from segue_producer import append
from segue_producer.events import prepare
from segue_producer.keys import contact_digest
from segue_producer.refusals import Refused, bury
from segue_worker.operating.forget import Forgotten, forget_here
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.entry import partial_entry
from segue_worker.outbox.log_record import EventPart, Record

from .conftest import KEYS, NOW_MS

Bury = Callable[..., DeadLetter]
ADA = "ada@example.com"


def enqueue(redis: FakeRedis, *events: dict[str, Any]) -> None:
    prepared = [prepare({"type": "identify", **event}) for event in events]
    keys, args = append.arguments(KEYS, prepared)
    redis.register_script(append.APPEND_SCRIPT)(keys=keys, args=args)


def forget(redis: FakeRedis, identity: str) -> Forgotten:
    waited: list[float] = []
    forgotten = forget_here(redis, "loops", identity, wait=waited.append)
    assert waited == []
    return forgotten


def left(redis: FakeRedis) -> list[str]:
    """The contacts for whom anything waits."""
    reader: Any = redis
    contacts = sorted(name.decode() for name in reader.zrange(KEYS.due, 0, -1))
    outboxes = sorted(key.decode().removeprefix(KEYS.outbox) for key in reader.keys(f"{KEYS.outbox}*"))
    assert contacts == outboxes
    assert int(redis.get(KEYS.pending) or 0) == sum(redis.llen(KEYS.outbox + contact) for contact in contacts)
    return contacts


@pytest.mark.parametrize("spelling", [ADA, "Ada@Example.com", "  ADA@EXAMPLE.COM "])
@pytest.mark.parametrize(
    "event",
    [
        {"traits": {"email": "aDa@example.com "}},
        {"userId": "u1", "traits": {"email": ADA}},
        {"userId": "u1", "context": {"traits": {"email": "Ada@EXAMPLE.com"}}},
        {"userId": "u1", "type": "track", "event": "E", "properties": {"email": ADA}},
        {"userId": "Ada@Example.com"},
        {"userId": ADA.upper(), "traits": {"plan": "pro"}},
        {"anonymousId": "a1", "email": ADA},
    ],
)
def test_an_email_finds_what_waits_in_any_spelling_and_under_any_id(
    redis: FakeRedis, event: dict[str, Any], spelling: str
) -> None:
    enqueue(redis, event, {"userId": "u2", "traits": {"email": "bada@example.com"}})
    assert forget(redis, spelling).events == 1
    assert left(redis) == ["u2"]


def test_a_user_id_finds_what_waits_under_its_emails_and_the_other_way_round(redis: FakeRedis) -> None:
    def everything() -> None:
        enqueue(
            redis,
            {"userId": "u1", "anonymousId": "a1", "traits": {"email": ADA}},
            {"userId": "u1", "traits": {"plan": "pro"}},
            {"traits": {"email": ADA.upper()}},
            {"anonymousId": "a1", "traits": {"page": "/"}},
            {"userId": "u2", "anonymousId": "a1", "traits": {"email": "bob@example.com"}},
            {"userId": "U1"},
        )

    for identity in ("u1", ADA):
        redis.flushall()
        everything()
        assert forget(redis, identity).events == 4
        assert left(redis) == ["U1", "u2"], "who shares a device with them is somebody else"


def test_an_anonymous_id_is_found_wherever_it_stands(redis: FakeRedis) -> None:
    enqueue(redis, {"anonymousId": "a1"}, {"userId": "u1", "anonymousId": "a1"}, {"userId": "u2", "anonymousId": "a2"})
    assert forget(redis, "a1").events == 2
    assert left(redis) == ["u2"]


def test_an_address_that_two_share_leads_from_neither_to_the_other(redis: FakeRedis) -> None:
    """A role's, or what people write who want to give none. Who names the address itself means all who have it."""
    enqueue(
        redis,
        {"userId": "u1", "traits": {"email": "office@example.com"}},
        {"userId": "u2", "traits": {"email": "office@example.com"}},
        {"userId": "u2", "traits": {"email": "bob@example.com"}},
        {"userId": "u3", "traits": {"email": "bob@example.com"}},
    )
    enqueue(redis, {"traits": {"email": "office@example.com"}})
    assert forget(redis, "u1").events == 2
    assert left(redis) == ["u2", "u3"]
    assert forget(redis, "office@example.com").events == 2
    assert left(redis) == ["u3"]


@pytest.mark.parametrize("identity", ["777", 'u"1', "ü@example.com", "strasse@example.com", "x" * 300])
def test_an_id_is_found_however_json_spells_it(redis: FakeRedis, identity: str) -> None:
    spelled: dict[str, Any] = {"777": {"userId": 777.0}, "ü@example.com": {"email": "Ü@EXAMPLE.com"}}
    event = {"userId": "someone", **spelled.get(identity, {"userId": identity})}
    enqueue(redis, {"type": "identify", **event}, {"userId": "u2"})
    assert forget(redis, identity).events == 1
    assert left(redis) == ["u2"]


def test_what_is_no_address_joins_nobody(redis: FakeRedis) -> None:
    enqueue(redis, {"userId": "u1", "email": "unknown"}, {"userId": "u2", "email": "unknown"}, {"email": "unknown"})
    assert forget(redis, "u1").events == 1
    assert left(redis) == ["u2", "unknown"]


@pytest.mark.parametrize("identity", [ADA, 'u"1', "ü1"])
@pytest.mark.parametrize("size", [10, 100_000])
def test_what_was_refused_and_is_kept_as_a_text_is_found_too(redis: FakeRedis, identity: str, size: int) -> None:
    rest = [{"userId": name, "properties": {"text": "x" * size, "bad": object()}} for name in (identity, "u2")]
    list(bury(redis, "loops", [Refused("m1", rest, "too many", "too_many_events")]))
    assert forget(redis, "u3").dead_letters == 0
    assert forget(redis, identity).dead_letters == 1


def test_what_is_left_of_an_event_is_found_too(redis: FakeRedis) -> None:
    event = json.dumps({"type": "identify", "userId": "u1", "traits": {"email": ADA}, "messageId": "m"})
    redis.rpush(KEYS.outbox + "u1", *[b"no event"] * 1500, partial_entry(event, done={"Sync contacts": "delivered"}))
    redis.zadd(KEYS.away, {"u1": NOW_MS})
    redis.set(KEYS.pending, 1501)
    assert forget(redis, ADA).events == 1501
    assert redis.keys(f"{KEYS.outbox}*") == []


def test_dead_letters_are_found_by_every_id_in_them(redis: FakeRedis, bury: Bury) -> None:
    def event(**fields: Any) -> str:
        return json.dumps({"type": "track", "event": "E", "messageId": "m", **fields})

    theirs = [
        bury(contact="u1", events=(event(userId="u1", properties={"email": "ADA@example.com"}),)),
        bury(contact="u1", events=(event(userId="u1"),)),
        bury(contact=ADA, events=(event(traits={"email": ADA}),)),
        bury(contact="", reason="invalid", events=(json.dumps({"user": {"mail": "Ada@example.com"}}),)),
        bury(contact="", reason="unreadable", events=('{"email": "ada@example.com", ',)),
    ]
    others = [
        bury(contact="u2", events=(event(userId="u2", properties={"email": "bada@example.com"}),)),
        bury(
            contact="", reason="invalid", events=(json.dumps({"userId": ["u2"], "note": "u1 likes ada@example.com"}),)
        ),
        bury(contact="", reason="unreadable", events=("not about ada@example.com at all",)),
    ]
    assert forget(redis, ADA).dead_letters == len(theirs)
    reader: Any = redis
    assert {name.decode() for name in reader.hkeys(KEYS.dead)} == {letter.id for letter in others}


def test_the_log_is_cleared_of_every_contact_that_is_found(redis: FakeRedis) -> None:
    enqueue(redis, {"userId": "u1", "traits": {"email": ADA}})
    for contact in ("u1", ADA, "u2"):
        record = Record(contact_digest(contact.encode()), (EventPart("m", "identify", "delivered", 1),))
        redis.xadd(KEYS.log, {"e": record.to_json()})
    assert forget(redis, "Ada@example.com") == Forgotten(events=1, dead_letters=0, log_entries=2)
    assert redis.xlen(KEYS.log) == 1


def test_a_damaged_outbox_is_forgotten_and_keeps_nobody_elses_from_it(redis: FakeRedis) -> None:
    enqueue(redis, {"userId": "u2", "traits": {"email": ADA}})
    redis.set(KEYS.outbox + "u1", "no list")
    redis.set(KEYS.damaged + "u1", "no list either")
    redis.zadd(KEYS.due, {"u1": NOW_MS})
    redis.hset(KEYS.parked, "u1", "no record")
    assert forget(redis, "u1").events == 0
    assert left(redis) == ["u2"]
    assert redis.exists(KEYS.damaged + "u1", KEYS.parked) == 0
    redis.set(KEYS.outbox + "u3", "no list")
    redis.zadd(KEYS.due, {"u3": NOW_MS})
    assert forget(redis, ADA).events == 1
