"""The claimed events of one contact: what is sent for them, and what is recorded of them."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from segue_producer.entries import entry_stamps
from segue_producer.keys import contact_digest
from segue_worker.delivery.backlog import Backlog
from segue_worker.delivery.journal import Journal
from segue_worker.delivery.requests import idempotency_key
from segue_worker.errors import DamagedError, MappingError, PayloadError
from segue_worker.mapping import CompiledMapping, Request
from segue_worker.mapping.trigger import compile_trigger
from segue_worker.outbox import Next, Settlement
from segue_worker.outbox.entry import Waiting, partial_entry, read_entry, with_origin
from segue_worker.outbox.histogram import Histogram
from segue_worker.outbox.log_record import Attempt, EventPart, Fault, Record
from segue_worker.outbox.outbox import digest
from segue_worker.outbox.outgoing import Outgoing, Ref
from segue_worker.outbox.plan import Plan
from segue_worker.schema.sent import SentKeys

from .conftest import CONTACTS, EVENTS, mapping

NOW = 1_700_000_060_000
ENQUEUED = NOW - 60_000
SECOND = mapping("second", "sendEvent", fields={"eventName": "Second"})
BOTH = (EVENTS, SECOND)
UNREADABLE = b"no event"
DAMAGED = b'{"type":"segue.partial","of":"a later version"}'


def event(message_id: str, **fields: Any) -> bytes:
    """A track event as it lies in the outbox, or one of another `type`; an earlier version may have taken any."""
    body = {"type": "track", "event": "E", "userId": "u1", "messageId": message_id, **fields}
    stamps = entry_stamps(ENQUEUED)
    if body["type"] not in stamps:
        return b"%b %011x" % (orjson.dumps(body), ENQUEUED)
    kind = body.pop("type")
    return orjson.dumps(body) + stamps[kind]


def text(entry: bytes) -> str:
    """The event of an entry, as dead letters hold it."""
    return read_entry(entry).text


def part(entry: bytes, **fields: Any) -> bytes:
    return partial_entry(text(entry), **fields)


def claimed(*entries: bytes, interrupted: int = 0) -> Backlog:
    return Backlog(b"u1", entries, now_ms=lambda: NOW, journal=Journal(b"u1", interrupted=interrupted))


def planned(
    backlog: Backlog,
    mappings: Sequence[CompiledMapping] = (EVENTS,),
    *,
    seen: Sequence[str] = (),
    frozen: Outgoing | None = None,
) -> list[Outgoing]:
    return backlog.plan(mappings, destination="loops", mode="updates", seen=set(seen), frozen=frozen)


def logged(settlement: Settlement) -> Record:
    return Record.from_json(settlement.record)


def outcomes(settlement: Settlement) -> list[tuple[str, str]]:
    return [(each.message_id, each.outcome) for each in logged(settlement).events]


def left(settlement: Settlement) -> dict[int, Waiting]:
    """What waits in place of the events that stay, by their place."""
    return {place: read_entry(entry) for place, entry in settlement.replaced.items()}


class Failing(CompiledMapping):
    """A mapping that raises."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.name = "failing"
        self.enabled = True
        self.trigger = compile_trigger('type != ""')
        self.error = error

    def request(self, event: dict[str, Any]) -> Request:  # noqa: ARG002 - as a mapping does
        raise self.error


def test_a_delivered_event_is_taken_off_counted_and_logged() -> None:
    backlog = claimed(event("m1"), event("m2"))
    first, second = planned(backlog)
    backlog.record(first.refs, "delivered")
    settlement = backlog.settlement(Next.KEEP)
    assert (settlement.taken, settlement.replaced, settlement.next) == (1, {}, Next.KEEP)
    assert (settlement.digests, settlement.counters, settlement.dead) == ([digest("m1")], {"delivered": 1}, [])
    assert logged(settlement) == Record(contact_digest(b"u1"), (EventPart("m1", "E", "delivered", ENQUEUED, "", ()),))
    assert settlement.measures.pop("mapped") == settlement.measures.pop("fired:events") == 1  # type: ignore[attr-defined]
    waits = Histogram.read("wait", settlement.measures)
    assert (waits.total, waits.sum_ms) == (1, NOW - ENQUEUED)
    assert backlog.head == 1

    backlog.record(second.refs, "delivered")
    settlement = backlog.settlement(Next.RELEASE, park_for_ms=5)
    assert (settlement.taken, settlement.next, settlement.park_for_ms) == (1, Next.RELEASE, 5)
    assert (settlement.digests, settlement.counters) == ([digest("m2")], {"delivered": 1})
    assert backlog.head == 2


def test_nothing_is_taken_beyond_what_is_still_to_be_sent() -> None:
    backlog = claimed(event("m1"), event("m2"), event("filtered", type="page"))
    _, second = planned(backlog)
    backlog.record(second.refs, "delivered")
    settlement = backlog.settlement(Next.KEEP)
    assert (settlement.taken, settlement.counters, settlement.digests, backlog.head) == (0, {}, [], 0)
    assert left(settlement)[1].done == {"events": "delivered"}


def test_what_was_not_planned_yet_stays() -> None:
    backlog = claimed(event("m1"))
    settlement = backlog.settlement(Next.RETURN)
    assert (settlement.taken, settlement.replaced, settlement.record) == (0, {}, b"")


def test_a_filtered_event_leaves_with_its_reason() -> None:
    backlog = claimed(event("m1"), event("m2", type="identify", traits={"a": 1}, integrations={"All": False}))
    assert planned(backlog, (CONTACTS,)) == []
    settlement = backlog.settlement(Next.RELEASE)
    assert (settlement.taken, settlement.counters) == (2, {"filtered": 2})
    assert outcomes(settlement) == [("m1", "filtered"), ("m2", "filtered")]
    because = [orjson.loads(settlement.explanations[each.because]) for each in logged(settlement).events]
    assert because == [
        {"contacts": CONTACTS.trigger.unmet({"type": "track"})},
        {"": "the event's `integrations` keep it back from Loops"},
    ]
    assert settlement.measures == {"mapped": 2}, "it did not wait for a delivery"


def test_a_message_id_that_was_settled_or_stands_twice_is_a_duplicate() -> None:
    backlog = claimed(event("settled"), event("m"), event("m"))
    assert [request.refs for request in planned(backlog, seen=["settled"])] == [(Ref(1, "events"),)]
    backlog.record([Ref(1, "events")], "delivered")
    settlement = backlog.settlement(Next.RELEASE)
    assert settlement.counters == {"duplicates": 2, "delivered": 1}
    assert outcomes(settlement) == [("settled", "duplicate"), ("m", "delivered"), ("m", "duplicate")]
    assert settlement.measures["mapped"] == 1, "a duplicate goes through no mapping"


@pytest.mark.parametrize(
    "fields", [{"replay": "letter"}, {"done": {"second": "delivered"}, "only": ["second", "events"]}]
)
def test_a_replay_and_what_was_begun_are_no_duplicates(fields: dict[str, Any]) -> None:
    backlog = claimed(part(event("m"), **fields))
    assert [request.refs for request in planned(backlog, seen=["m"])] == [(Ref(0, "events"),)]


def test_what_is_about_to_be_sent_again_is_no_duplicate_and_goes_first_as_it_is() -> None:
    frozen = Outgoing("POST", "/events/send", b"as it was", "key", (Ref(1, "events"),))
    backlog = claimed(event("m0"), event("m1"))
    requests = planned(backlog, BOTH, seen=["m1"], frozen=frozen)
    assert [request.refs for request in requests] == [
        *((Ref(1, "events"),), (Ref(0, "events"),), (Ref(0, "second"),), (Ref(1, "second"),))
    ]
    assert requests[0] is frozen
    backlog = claimed(event("m0"), event("m1"))
    assert planned(backlog, seen=["m0"], frozen=frozen) == [frozen], "only its own event is held"


def test_a_replay_is_sent_under_a_key_of_its_own_and_its_wait_counts_for_nothing() -> None:
    backlog = claimed(part(event("m"), only=["events"], replay="letter"))
    (replayed,) = planned(backlog, BOTH)
    (original,) = planned(claimed(event("m")))
    assert replayed.body == original.body
    assert replayed.key != original.key
    backlog.record(replayed.refs, "delivered")
    settlement = backlog.settlement(Next.RELEASE)
    assert (settlement.counters, settlement.measures) == ({"delivered": 1}, {})


def test_an_entry_that_is_no_event_is_a_dead_letter_and_holds_up_nobody() -> None:
    backlog = claimed(UNREADABLE, event("m"))
    (request,) = planned(backlog)
    settlement = backlog.settlement(Next.KEEP)
    (letter,) = settlement.dead
    assert (letter.reason, letter.detail) == ("unreadable", "the entry is no event with a messageId")
    assert (letter.contact, letter.events, letter.message_ids) == ("u1", ("no event",), ())
    assert (letter.mappings, letter.refs, letter.request, letter.at) == ((), (), None, NOW)
    assert (settlement.taken, settlement.digests, settlement.counters) == (1, [], {"dead": 1})
    assert logged(settlement).events == (EventPart("", "", "dead", 0, "", (Fault("unreadable", "", letter.id),)),)
    assert settlement.measures == {}
    assert request.refs == (Ref(1, "events"),)


def test_two_entries_that_are_no_events_are_two_dead_letters() -> None:
    backlog = claimed(UNREADABLE, UNREADABLE)
    planned(backlog)
    assert backlog.settlement(Next.RELEASE).counters == {"dead": 2}


def test_nothing_is_planned_from_an_entry_on_that_another_version_wrote() -> None:
    backlog = claimed(event("m1"), event("m2"), DAMAGED, event("m3"))
    assert backlog.message_ids == ["m1", "m2"]
    assert backlog.digests == [digest("m1"), digest("m2")]
    assert [request.refs for request in planned(backlog)] == [(Ref(0, "events"),), (Ref(1, "events"),)]
    assert claimed(DAMAGED, event("m3")).message_ids == [""]
    with pytest.raises(DamagedError, match=r"^its oldest entry in the outbox cannot be read$"):
        planned(claimed(DAMAGED, event("m3")))


@pytest.mark.parametrize(
    ("error", "reason", "detail"),
    [
        (PayloadError("userId is missing."), "payload", "userId is missing."),
        (MappingError(("too large",)), "mapping", "too large"),
        (ZeroDivisionError("ada@example.com"), "mapping", "the mapping failed with ZeroDivisionError"),
    ],
)
def test_what_fails_in_a_mapping_is_a_dead_letter_and_other_mappings_and_events_go_on(
    error: Exception, reason: str, detail: str
) -> None:
    backlog = claimed(event("m1"), event("m2"))
    requests = planned(backlog, (Failing(error), EVENTS))
    assert [request.refs for request in requests] == [(Ref(0, "events"),), (Ref(1, "events"),)]
    backlog.record(requests[0].refs, "delivered")
    settlement = backlog.settlement(Next.KEEP)
    (letter, other) = settlement.dead
    assert (letter.reason, letter.detail, letter.mappings) == (reason, detail, ("failing",))
    assert (letter.message_ids, letter.events, letter.refs) == (("m1",), (text(event("m1")),), ((0, "failing"),))
    assert (letter.contact, letter.request, letter.at) == ("u1", None, NOW)
    assert settlement.counters == {"delivered": 1, "dead": 2}
    assert (settlement.measures["fired:events"], settlement.measures["failed:failing"]) == (1, 1)
    assert logged(settlement).events == (
        EventPart("m1", "E", "delivered", ENQUEUED, "", (Fault(reason, "failing", letter.id),)),
        EventPart("m2", "E", "begun", 0, "", (Fault(reason, "failing", other.id),)),
    )
    assert left(settlement)[0].done == {"failing": "failed"}
    backlog.record(requests[1].refs, "delivered")
    settlement = backlog.settlement(Next.RELEASE)
    assert (settlement.dead, settlement.counters) == ([], {"delivered": 1}), "recorded is recorded"


def test_an_event_whose_only_mapping_failed_is_dead_and_not_filtered() -> None:
    backlog = claimed(event("m1"))
    assert planned(backlog, (Failing(PayloadError("no")),)) == []
    settlement = backlog.settlement(Next.RELEASE)
    assert (settlement.taken, settlement.counters, outcomes(settlement)) == (1, {"dead": 1}, [("m1", "dead")])
    assert settlement.measures == {"mapped": 1, "failed:failing": 1}


@pytest.mark.parametrize(
    ("gone", "why"),
    [
        ((EVENTS,), "the configuration no longer has the mapping 'second'"),
        (
            (EVENTS, mapping("second", "sendEvent", enabled=False)),
            "the mapping 'second', with which it was begun, is disabled by now",
        ),
    ],
)
def test_a_mapping_that_is_gone_is_a_dead_letter_of_what_was_begun_with_it(
    gone: tuple[CompiledMapping, ...], why: str
) -> None:
    backlog = claimed(part(event("m"), only=["events", "second"]))
    (request,) = planned(backlog, gone)
    assert request.refs == (Ref(0, "events"),)
    backlog.record(request.refs, "delivered")
    settlement = backlog.settlement(Next.RELEASE)
    (letter,) = settlement.dead
    assert (letter.reason, letter.mappings) == ("mapping_gone", ("second",))
    assert letter.detail == why
    assert settlement.counters == {"delivered": 1, "dead": 1}


def test_each_mapping_that_is_gone_has_a_letter_of_its_own() -> None:
    backlog = claimed(part(event("m"), only=["one", "events", "other"]))
    assert [request.refs for request in planned(backlog)] == [(Ref(0, "events"),)]
    assert [letter.mappings for letter in backlog.settlement(Next.KEEP).dead] == [("one",), ("other",)]


def test_what_was_begun_with_a_mapping_is_finished_with_it_whatever_its_trigger_says_by_now() -> None:
    narrowed = mapping("second", "sendEvent", trigger='event = "Another"', fields={"eventName": "Second"})
    (request,) = planned(claimed(part(event("m"), only=["second"])), (narrowed,))
    assert request.refs == (Ref(0, "second"),)


@pytest.mark.parametrize(
    ("entry", "waited_ms", "late"),
    [
        (event("m"), 90_000, False),
        (event("m"), 90_001, True),
        (part(event("m"), only=["hasty"]), 90_001, True),
        (part(event("m"), replay="letter"), 90_001, False),
        (orjson.dumps({"type": "track", "event": "E", "userId": "u1", "messageId": "m"}), 90_001, False),
    ],
)
def test_an_event_whose_turn_comes_too_late_is_a_dead_letter(entry: bytes, waited_ms: int, *, late: bool) -> None:
    hasty = mapping("hasty", "sendEvent", max_wait_ms=90_000)
    now_ms = ENQUEUED + waited_ms
    backlog = Backlog(b"u1", [entry], now_ms=lambda: now_ms, journal=Journal(b"u1"))
    assert len(planned(backlog, (hasty,))) == (0 if late else 1)
    told = [(letter.reason, letter.detail, letter.mappings) for letter in backlog.settlement(Next.RELEASE).dead]
    detail = "its turn came 90s after it was enqueued, and max_wait is 90s"
    assert told == ([("late", detail, ("hasty",))] if late else [])


def test_what_an_interrupted_claim_may_have_sent_is_never_late_and_what_is_behind_it_is() -> None:
    hasty = [
        mapping("hasty", "sendEvent", max_wait_ms=90_000),
        mapping("sync", "createOrUpdateContact", max_wait_ms=90_000),
    ]
    update = event("update", type="identify", traits={"email": "u1@example.com"})
    now_ms = ENQUEUED + 90_001

    def late(*entries: bytes, interrupted: int = 1, frozen: Outgoing | None = None) -> list[str]:
        journal = Journal(b"u1", interrupted=interrupted)
        backlog = Backlog(b"u1", entries, now_ms=lambda: now_ms, journal=journal)
        planned(backlog, hasty, frozen=frozen)
        return [str(letter.message_ids[0]) for waiting in backlog._events for letter in waiting.dead]

    assert late(update, event("first"), event("second")) == ["second"]
    assert late(update, event("first"), event("second"), interrupted=0) == ["update", "first", "second"]
    moved = with_origin(event("first"), "elsewhere")
    assert late(moved, event("second"), interrupted=0) == ["second"], "where it was moved from it may have been sent"
    (parked,) = planned(claimed(event("first"), interrupted=1), hasty[:1])
    assert late(event("first"), event("second"), frozen=parked) == ["second"]


def test_a_claim_of_nothing_has_nothing_to_tell() -> None:
    settlement = claimed(interrupted=1).settlement(Next.RELEASE)
    assert (settlement.taken, settlement.record, settlement.park_for_ms) == (0, b"", 0)


def test_what_is_left_of_an_event_waits_with_what_is_recorded_of_it() -> None:
    backlog = claimed(event("m1"), event("m2"))
    first, _, third, _ = planned(backlog, BOTH)
    assert (first.refs, third.refs) == ((Ref(0, "events"),), (Ref(1, "events"),))
    backlog.record(first.refs, "delivered")
    backlog.record(third.refs, "dead")
    settlement = backlog.settlement(Next.KEEP)
    assert settlement.taken == 0
    assert {place: (waiting.done, waiting.only) for place, waiting in left(settlement).items()} == {
        0: ({"events": "delivered"}, ("events", "second")),
        1: ({"events": "dead"}, ("events", "second")),
    }
    assert backlog.settlement(Next.KEEP).replaced == {}, "recorded is recorded"


def test_what_is_recorded_of_an_event_is_not_sent_again() -> None:
    backlog = claimed(part(event("m"), only=["events", "second"], done={"events": "delivered"}))
    assert [request.refs for request in planned(backlog, BOTH)] == [(Ref(0, "second"),)]


def test_places_are_counted_from_what_is_then_the_oldest() -> None:
    backlog = claimed(event("m1"), event("m2"))
    requests = planned(backlog, BOTH)
    for request in requests[:3]:
        backlog.record(request.refs, "delivered")
    settlement = backlog.settlement(Next.KEEP)
    assert settlement.taken == 1
    assert list(left(settlement)) == [0]
    assert left(settlement)[0].message_id == "m2"


def test_an_event_of_which_only_requests_died_is_dead_and_its_letter_counted_once() -> None:
    backlog = claimed(event("m1"))
    (request,) = planned(backlog)
    letter = backlog.bury(request, "refused", "400", attempts=2, first_attempt=7, answer={"status": 400})
    settlement = backlog.settlement(Next.RELEASE)
    assert [each.id for each in settlement.dead] == [letter]
    assert (settlement.counters, outcomes(settlement)) == ({"dead": 1}, [("m1", "dead")])
    assert logged(settlement).events[0].faults == (), "what became of a request is told with the request"
    assert settlement.measures == {"mapped": 1, "fired:events": 1}


def test_the_letter_of_a_merged_request_names_all_that_it_stood_for() -> None:
    identifies = [event(name, type="identify", traits={name: 1}) for name in ("m1", "m2")]
    backlog = claimed(event("m0"), *identifies)
    before, request = planned(backlog, (EVENTS, CONTACTS))
    assert request.refs == (Ref(1, "contacts"), Ref(2, "contacts"))
    backlog.record(before.refs, "delivered")
    backlog.bury(request, "refused", "400 Bad", attempts=2, first_attempt=7, answer={"status": 400, "text": "Bad"})
    (letter,) = backlog.settlement(Next.RELEASE).dead
    assert (letter.reason, letter.detail, letter.contact) == ("refused", "400 Bad", "u1")
    assert (letter.mappings, letter.message_ids) == (("contacts",), ("m1", "m2"))
    assert (letter.events, letter.refs) == (tuple(map(text, identifies)), ((0, "contacts"), (1, "contacts")))
    assert letter.request == {"method": "PUT", "path": "/contacts/update", "body": request.body.decode()}
    assert (letter.at, letter.attempts, letter.first_attempt) == (NOW, 2, 7)
    assert letter.answer == {"status": 400, "text": "Bad"}


def test_the_letter_of_a_merged_request_is_recorded_when_its_last_event_is() -> None:
    entries = [
        event("m1"),
        event("m2", type="identify", traits={"a": 1}),
        event("m3", type="identify", traits={"b": 1}),
    ]
    backlog = claimed(*entries)
    _, merged = planned(backlog, (EVENTS, CONTACTS))
    backlog.bury(merged, "refused", "400", attempts=1)
    settlement = backlog.settlement(Next.KEEP)
    assert (settlement.taken, len(settlement.dead), settlement.counters) == (0, 1, {"dead": 1})
    assert sorted(left(settlement)) == [1, 2]
    assert backlog.settlement(Next.KEEP).dead == [], "recorded is recorded"


def test_of_an_event_that_stays_it_is_recorded_that_a_request_of_it_died() -> None:
    backlog = claimed(event("m1"))
    first, _ = planned(backlog, BOTH)
    backlog.bury(first, "refused", "400", attempts=1)
    assert left(backlog.settlement(Next.KEEP))[0].done == {"events": "dead"}


def test_what_was_attempted_keeps_the_mappings_it_was_begun_with() -> None:
    backlog = claimed(event("m1"), event("m2"))
    first, *_ = planned(backlog, BOTH)
    backlog.begin(first)
    settlement = backlog.settlement(Next.PARK)
    assert {place: (waiting.done, waiting.only) for place, waiting in left(settlement).items()} == {
        0: ({}, ("events", "second"))
    }


def test_a_merge_that_was_refused_is_taken_apart_the_same_way_by_whoever_plans_it_again() -> None:
    update, track = event("m1", type="identify", traits={"a": 1}), event("m2")
    backlog = claimed(update, track)
    (merged,) = backlog.plan((CONTACTS, EVENTS), destination="loops", mode="updates_into_events", seen=set())
    parts = backlog.take_apart(merged)
    assert [request.refs for request in parts] == [(Ref(0, "contacts"),), (Ref(1, "events"),)]
    waiting = left(backlog.settlement(Next.KEEP))
    assert {place: each.apart for place, each in waiting.items()} == {0: {"contacts": "0."}, 1: {"events": "1."}}
    again = claimed(*(each.partial() for each in waiting.values())).plan(
        (CONTACTS, EVENTS), destination="loops", mode="updates_into_events", seen=set()
    )
    assert [(request.key, request.body) for request in again] == [(request.key, request.body) for request in parts]


def test_the_log_names_the_events_of_a_merge_that_was_refused() -> None:
    backlog = claimed(event("m1", type="identify", traits={"a": 1}), event("m2"), event("m3"))
    merged, _ = backlog.plan((CONTACTS, EVENTS), destination="loops", mode="updates_into_events", seen=set())
    backlog.journal.attempt(NOW, 400, 0.1)
    backlog.note(merged, "apart", sent=1, why="refused")
    backlog.take_apart(merged)
    assert outcomes(backlog.settlement(Next.KEEP)) == [("m1", "begun"), ("m2", "begun")]


def test_of_updates_it_is_remembered_which_halves_of_halves_they_were() -> None:
    entries = [event(name, type="identify", traits={name: 1}) for name in ("m1", "m2", "m3")]
    backlog = claimed(*entries)
    (merged,) = planned(backlog, (CONTACTS,))
    one, two = backlog.take_apart(merged)
    assert [request.refs for request in (one, two)] == [
        *((Ref(0, "contacts"),), (Ref(1, "contacts"), Ref(2, "contacts")))
    ]
    assert len(backlog.take_apart(two)) == 2
    waiting = left(backlog.settlement(Next.KEEP)).values()
    assert [each.apart for each in waiting] == [{"contacts": part} for part in ("0.", "1.0.", "1.1.")]
    again = planned(claimed(*(each.partial() for each in waiting)), (CONTACTS,))
    assert [request.refs for request in again] == [(Ref(place, "contacts"),) for place in range(3)]


def test_what_is_counted_meanwhile_adds_up_until_it_is_settled() -> None:
    backlog = claimed(event("m1"))
    backlog.count(requests=1, retries=0)
    backlog.count(requests=2, merged=3)
    assert backlog.settlement(Next.KEEP).counters == {"requests": 3, "merged": 3}
    assert backlog.settlement(Next.KEEP).counters == {}


def test_a_parked_request_is_logged_with_its_events() -> None:
    identifies = [event(name, type="identify", traits={name: 1}) for name in ("m1", "m2")]
    backlog = claimed(*identifies, event("m3"))
    merged, _ = planned(backlog, (EVENTS, CONTACTS))
    backlog.journal.attempt(NOW, 503, 0.25)
    backlog.note(merged, "parked", sent=4, why="503", next_ms=NOW + 9)
    record = logged(backlog.settlement(Next.PARK))
    assert [(each.message_id, each.name, each.outcome, each.enqueued) for each in record.events] == [
        ("m1", "identify", "parked", ENQUEUED),
        ("m2", "identify", "parked", ENQUEUED),
    ]
    assert record.request is not None
    assert record.request._asdict() == {
        "path": "/contacts/update",
        "refs": (("m1", "contacts"), ("m2", "contacts")),
        "attempts": (Attempt(NOW, 503, 250),),
        "sent": 4,
        "outcome": "parked",
        "why": "503",
        "next": NOW + 9,
        "letter": "",
        "repairs": (),
    }
    assert backlog.settlement(Next.KEEP).record == b"", "it is logged once"


@pytest.mark.parametrize(("attempted", "outcome"), [(False, "parked"), (True, "delivered")])
def test_only_what_was_sent_and_is_parked_is_logged_as_parked(*, attempted: bool, outcome: Any) -> None:
    backlog = claimed(event("m1"))
    (request,) = planned(backlog)
    if attempted:
        backlog.journal.attempt(NOW, 200, 0.1)
    backlog.note(request, outcome, sent=1)
    settlement = backlog.settlement(Next.KEEP)
    assert not settlement.record or not logged(settlement).events


def test_where_nothing_else_may_be_recorded_attempts_are() -> None:
    backlog = claimed(event("m1"))
    (request,) = planned(backlog)
    backlog.count(requests=3, retries=2, rate_limited=1, merged=4)
    backlog.record(request.refs, "delivered")
    backlog.journal.attempt(NOW, 503, 0.25)
    backlog.note(request, "parked", sent=3, why="failed")
    settlement = backlog.unchanged()
    assert (settlement.taken, settlement.replaced, settlement.dead) == (0, {}, ())
    assert settlement.counters == {"requests": 3, "retries": 2, "rate_limited": 1}
    assert outcomes(settlement) == [("m1", "parked")]
    assert Histogram.read("took", settlement.measures).sum_ms == 250
    again = backlog.unchanged()
    assert (again.counters, again.record, again.measures) == ({}, b"", {})
    assert outcomes(backlog.settlement(Next.RELEASE)) == [("m1", "delivered")]


def test_what_is_planned_afresh_goes_on_with_the_attempts_and_nothing_else() -> None:
    backlog = claimed(event("m1"), event("m2"), interrupted=2)
    planned(backlog, (Failing(PayloadError("no")), EVENTS))
    backlog.count(requests=3, retries=1, merged=4)
    fresh = backlog.afresh([event("m2")])
    assert (fresh.contact, fresh.message_ids) == (b"u1", ["m2"])
    settlement = fresh.settlement(Next.RELEASE)
    assert (settlement.counters, settlement.dead) == ({"requests": 3, "retries": 1}, [])
    assert logged(settlement).interrupted == 2
    fresh.bury_oldest("internal", "it fails", (EVENTS,))
    assert fresh.settlement(Next.RELEASE).dead[0].at == NOW


@pytest.mark.parametrize(
    ("entry", "mappings"),
    [
        (event("m"), ()),
        (part(event("m"), replay="letter"), ()),
        (part(event("m"), only=["events", "second"]), ("events", "second")),
        (part(event("m"), only=["events", "second"], done={"second": "delivered"}), ("events",)),
        (part(event("m"), done={"second": "delivered"}), ("events",)),
        (part(event("m"), only=["second"]), ("second",)),
    ],
)
def test_the_oldest_event_is_given_up_for_all_mappings_of_which_nothing_is_recorded(
    entry: bytes, mappings: tuple[str, ...]
) -> None:
    backlog = claimed(entry, event("behind"))
    backlog.bury_oldest("internal", "it fails", BOTH)
    settlement = backlog.settlement(Next.RELEASE)
    (letter,) = settlement.dead
    assert (letter.reason, letter.detail, letter.mappings) == ("internal", "it fails", mappings)
    assert letter.refs == tuple((0, name) for name in mappings)
    assert (letter.events, letter.message_ids) == ((text(event("m")),), ("m",))
    assert settlement.taken == 1
    assert settlement.counters == {"dead": 1} | ({"delivered": 1} if read_entry(entry).done else {})
    failed = {name: count for name, count in settlement.measures.items() if name.startswith("failed")}
    assert failed == ({} if read_entry(entry).replay else {f"failed:{name}": 1 for name in mappings})


def test_what_a_replay_was_for_besides_stays_known_whatever_becomes_of_it() -> None:
    entry = with_origin(part(event("m"), only=["second"], replay="letter", beside=["events"]), "elsewhere")
    assert read_entry(read_entry(entry).partial()).beside == ("events",)
    backlog = claimed(entry)
    backlog.bury_oldest("internal", "it fails", BOTH)
    assert [letter.beside for letter in backlog.settlement(Next.RELEASE).dead] == [((0, "events"),)]


def test_an_interrupted_claim_is_told_of_with_the_oldest_event_where_nothing_else_is() -> None:
    backlog = claimed(event("m1"), event("m2"), interrupted=3)
    planned(backlog)
    record = logged(backlog.settlement(Next.RETURN))
    assert record.interrupted == 3
    assert record.events == (EventPart("m1", "E", "interrupted", ENQUEUED, "", ()),)
    assert backlog.settlement(Next.RETURN).record == b""


def test_an_interrupted_claim_is_told_of_with_what_ends() -> None:
    backlog = claimed(event("m1"), event("m2"), interrupted=3)
    first, _ = planned(backlog)
    backlog.record(first.refs, "delivered")
    settlement = backlog.settlement(Next.KEEP)
    assert (logged(settlement).interrupted, outcomes(settlement)) == (3, [("m1", "delivered")])


def test_a_contact_that_is_no_text_is_named_all_the_same() -> None:
    backlog = Backlog(b"\xff", [UNREADABLE], now_ms=lambda: NOW, journal=Journal(b"\xff"))
    planned(backlog)
    assert backlog.settlement(Next.RELEASE).dead[0].contact == "\N{REPLACEMENT CHARACTER}"


def test_what_was_done_about_values_is_logged_and_counted_once_with_the_request() -> None:
    repairing = mapping("contacts", "createOrUpdateContact", values="repair")
    traits = ({"bio": {"nested": 1}, "list": [1], "createdAt": 1700000000}, {"bio": {"nested": 2}}, {"plan": "pro"})
    entries = [event(f"m{place}", type="identify", traits=each) for place, each in enumerate(traits)]
    backlog = claimed(*entries)
    (merged,) = planned(backlog, (repairing,))
    backlog.note(merged, "parked", sent=0)
    settlement = backlog.settlement(Next.KEEP)
    assert (settlement.counters, settlement.record) == ({}, b""), "nothing was sent"

    backlog.journal.attempt(NOW, 503, 0.1)
    backlog.note(merged, "parked", sent=1)
    settlement = backlog.settlement(Next.KEEP)
    assert settlement.counters == {"repaired": 1, "left_out": 3}
    request = logged(settlement).request
    assert request is not None
    assert sorted(request.repairs) == [("bio", "object", (0, 1)), ("createdAt", "unit", (0,)), ("list", "list", (0,))]

    backlog.journal.attempt(NOW, 200, 0.1)
    backlog.note(merged, "delivered", sent=2)
    settlement = backlog.settlement(Next.RELEASE)
    assert settlement.counters == {}
    request = logged(settlement).request
    assert request is not None
    assert request.repairs == ()


def test_an_update_that_need_not_be_sent_is_counted_by_its_events_and_logged_as_delivered() -> None:
    entries = [event(f"m{place}", type="identify", traits={"plan": place}) for place in range(2)]
    backlog = claimed(*entries)
    (merged,) = planned(backlog, (CONTACTS,))
    backlog.leave_unchanged(merged)
    settlement = backlog.settlement(Next.RELEASE)
    assert settlement.counters == {"unchanged": 2, "delivered": 2}
    assert outcomes(settlement) == [("m0", "delivered"), ("m1", "delivered")]
    request = logged(settlement).request
    assert request is not None
    assert (request.outcome, request.sent, request.attempts) == ("unchanged", 0, ())
    assert request.refs == (("m0", "contacts"), ("m1", "contacts"))


def test_what_a_request_is_about_is_told_by_its_events_and_mappings() -> None:
    backlog = claimed(event("m0"), event("m1", event="Signed up"))
    _, second = planned(backlog)
    about = {"message_ids": ("m1",), "event": "Signed up", "mapping": "events"}
    assert backlog.subject(second) == about
    backlog = claimed(
        event("m0"),
        part(event("m1", event="Signed up"), trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    )
    _, second = planned(backlog)
    assert backlog.subject(second) == {**about, "trace_id": "0af7651916cd43dd8448eb211c80319c"}


@pytest.mark.parametrize("attempted", [True, False])
def test_what_a_request_held_is_noted_once_when_it_was_attempted(*, attempted: bool) -> None:
    noted: list[Request] = []

    class Noting(SentKeys):
        def note(self, request: Request) -> None:
            noted.append(request)

    journal = Journal(b"u1", sent=Noting())
    backlog = Backlog(b"u1", [event("m0"), event("m1")], now_ms=lambda: NOW, journal=journal)
    first, _ = planned(backlog)
    if attempted:
        backlog.begin(first)
        backlog.begin(first)
    assert len(noted) == attempted
    backlog.record(first.refs, "delivered")
    assert [(request.mapping, request.body["eventName"]) for request in noted] == [("events", "E")]


SOURCE = "0123456789abcdef"


def from_source(message_id: str) -> bytes:
    stamp = entry_stamps(ENQUEUED)["track"]
    return b"%b %b%b" % (event(message_id).removesuffix(stamp), SOURCE.encode(), stamp)


def test_a_message_id_belongs_to_its_source() -> None:
    entries = [event("m"), from_source("m"), from_source("m")]
    backlog = claimed(*entries)
    assert backlog.message_ids == ["m", f"{SOURCE}\0m", f"{SOURCE}\0m"]
    backend, other = planned(backlog)
    assert backend.key != other.key
    backlog.record(backend.refs, "delivered")
    backlog.bury(other, "refused", "400", attempts=1)
    settlement = backlog.settlement(Next.RELEASE)
    assert settlement.digests == [digest(name) for name in backlog.message_ids]
    assert settlement.counters == {"delivered": 1, "dead": 1, "duplicates": 1}
    assert [each.message_id for each in logged(settlement).events] == backlog.message_ids
    (letter,) = settlement.dead
    assert (letter.message_ids, letter.sources) == (("m",), (SOURCE,))


def test_the_letter_of_an_event_that_never_became_a_request_names_its_source() -> None:
    backlog = claimed(from_source("m"))
    planned(backlog, (Failing(PayloadError("no")),))
    assert backlog.settlement(Next.RELEASE).dead[0].sources == (SOURCE,)


def test_what_came_from_another_destination_goes_under_the_keys_that_it_had_there() -> None:
    (here,) = planned(claimed(event("m")))
    (moved,) = planned(claimed(part(event("m"), origin="elsewhere")))
    assert here.key == idempotency_key("loops", "events", "m")
    assert moved.key == idempotency_key("elsewhere", "events", "m")


def test_a_letter_names_the_other_mappings_that_its_event_was_for() -> None:
    every = mapping("every", "sendEvent", trigger='type != ""', fields={"eventName": "All"})
    backlog = claimed(event("m", type="identify", traits={"a": 1}))
    updates, events = planned(backlog, (CONTACTS, every, Failing(PayloadError("no"))))
    backlog.record(updates.refs, "delivered")
    backlog.bury(events, "refused", "400", attempts=1)
    failed, refused = backlog.settlement(Next.RELEASE).dead
    assert (failed.mappings, sorted(failed.beside or ())) == (("failing",), [(0, "contacts"), (0, "every")])
    assert (refused.mappings, sorted(refused.beside or ())) == (("every",), [(0, "contacts"), (0, "failing")])


def test_the_letter_of_a_merged_request_names_the_other_mappings_of_each_event() -> None:
    entries = [event(name, type="identify", traits={name: 1}) for name in ("m1", "m2")]
    only = mapping("only m2", "sendEvent", trigger="traits.m2 = 1", fields={"eventName": "All"})
    backlog = claimed(event("m0"), *entries)
    requests = planned(backlog, (EVENTS, CONTACTS, only))
    merged = next(request for request in requests if len(request.refs) == 2)
    backlog.bury(merged, "refused", "400", attempts=1)
    for request in requests:
        if request is not merged:
            backlog.record(request.refs, "delivered")
    (letter,) = backlog.settlement(Next.RELEASE).dead
    assert (letter.refs, letter.beside) == (((0, "contacts"), (1, "contacts")), ((1, "only m2"),))


def test_what_an_interrupted_claim_may_have_sent_is_finished_with_the_mappings_it_was_begun_with() -> None:
    before = Plan.of((CONTACTS, EVENTS))
    update, track = event("m1", type="identify", traits={"a": 1}), event("m2")
    backlog = claimed(event("filtered", type="page"), update, track, event("m3"))
    requests = backlog.plan(
        (SECOND, EVENTS, CONTACTS), destination="loops", mode="updates", seen=set(), begun_with=before
    )
    assert [request.refs for request in requests] == [
        *((Ref(1, "contacts"),), (Ref(2, "events"),), (Ref(3, "second"),), (Ref(3, "events"),))
    ]
    waiting = left(backlog.settlement(Next.KEEP))
    assert {place: each.only for place, each in waiting.items()} == {0: ("contacts",), 1: ("events",)}
    assert {each.origin for each in waiting.values()} == {"loops"}


@pytest.mark.parametrize("begun_with", [None, Plan.of((EVENTS,))])
@pytest.mark.parametrize("origin", ["", "elsewhere"])
def test_what_an_interrupted_claim_may_have_sent_keeps_its_keys(origin: str, begun_with: Plan | None) -> None:
    head = part(event("m1"), origin=origin) if origin else event("m1")
    backlog = claimed(head, event("m2"), interrupted=1)
    backlog.plan((EVENTS,), destination="loops", mode="updates", seen=set(), begun_with=begun_with)
    settlement = backlog.settlement(Next.KEEP)
    assert {place: each.origin for place, each in left(settlement).items()} == {0: origin or "loops"}
    assert settlement.oldest_ms == ENQUEUED


def test_a_request_that_is_remembered_says_itself_what_was_begun() -> None:
    frozen = Outgoing("POST", "/events/send", b"{}", "key", (Ref(0, "events"),))
    backlog = claimed(event("m1"), event("m2"))
    plan = Plan.of((EVENTS,))
    requests = backlog.plan(BOTH, destination="loops", mode="updates", seen=set(), frozen=frozen, begun_with=plan)
    assert [request.refs for request in requests] == [
        *((Ref(0, "events"),), (Ref(0, "second"),), (Ref(1, "events"),), (Ref(1, "second"),))
    ]


def test_what_was_planned_before_keeps_its_own_mappings_and_not_those_of_an_interrupted_claim() -> None:
    backlog = claimed(part(event("m1"), only=["second"]), event("m2"))
    requests = backlog.plan(BOTH, destination="loops", mode="updates", seen=set(), begun_with=Plan.of((EVENTS,)))
    assert [request.refs for request in requests] == [(Ref(0, "second"),), (Ref(1, "events"),)]
