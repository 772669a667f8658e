"""A merge that Loops refused stays taken apart, through any number of hand-overs."""

from math import ceil, log2
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_sandbox.faults import InjectedFault
from segue_worker.config.model import Coalesce
from segue_worker.delivery.backlog import Backlog
from segue_worker.delivery.context import RunContext
from segue_worker.delivery.journal import Journal
from segue_worker.outbox import Next
from segue_worker.outbox.entry import partial_entry, read_entry
from segue_worker.outbox.outgoing import Outgoing

from .conftest import CONTACTS, Bench

TRACK = {"type": "track", "event": "E", "properties": {"email": "u1@example.com"}, "messageId": "track"}


def identify(number: int, *, bad: bool = False) -> dict[str, Any]:
    traits = {"email": "u1@example.com", f"p{number}": "poison" if bad else number}
    return {"type": "identify", "traits": traits, "messageId": f"m{number}"}


async def hand_over_after_each_request(bench: Bench, *later: dict[str, Any]) -> None:
    """Runs that send one request each, until nothing waits; after each of them one more event comes."""
    coming = list(later)
    while await bench.pending():
        sent = len(bench.requests)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(RunContext, "may_send", lambda _, sent=sent: len(bench.requests) == sent)
            await bench.run()
        assert len(bench.requests) == sent + 1
        if coming:
            await bench.enqueue(coming.pop(0))


def entry_of(number: int) -> bytes:
    return orjson.dumps({"userId": "u1", "timestamp": "2026-01-01T00:00:00.000Z", **identify(number)})


def places(request: Outgoing) -> list[int]:
    return [ref.event for ref in request.refs]


@given(
    count=st.integers(min_value=2, max_value=90),
    at_fault=st.sets(st.integers(min_value=0, max_value=89), min_size=1, max_size=3),
    coming=st.integers(min_value=0, max_value=8),
    mode=st.sampled_from(["updates", "updates_into_events"]),
)
def test_the_updates_at_fault_are_found_with_few_requests_whoever_plans_them(
    count: int, at_fault: set[int], coming: int, mode: Coalesce
) -> None:
    """Each request is planned anew from what lies in the outbox, as by a run that was handed over to."""
    guilty = {number for number in at_fault if number < count}
    # Of each one at fault: at each halving a half that is refused and one that is not. What came later goes by itself.
    at_most = 1 + len(guilty) * 2 * ceil(log2(count + coming)) + coming
    waiting = {number: entry_of(number) for number in range(count)}
    sent = 0
    ended: list[int] = []
    while waiting:
        numbers = list(waiting)
        backlog = Backlog(b"u1", list(waiting.values()), now_ms=lambda: 0, journal=Journal(b"u1"))
        request, *_ = backlog.plan((CONTACTS,), destination="loops", mode=mode, seen=set())
        sent += 1
        assert sent <= at_most
        stands_for = [numbers[place] for place in places(request)]
        refused = not guilty.isdisjoint(stands_for)
        if refused and request.parts:
            backlog.take_apart(request)
        else:
            assert not refused or len(stands_for) == 1
            backlog.record(request.refs, "failed" if refused else "delivered")
            ended += stands_for
        settlement = backlog.settlement(Next.RETURN)
        waiting = {number: waiting[number] for number in numbers[settlement.taken :]}
        for place, entry in settlement.replaced.items():
            waiting[list(waiting)[place]] = entry
        if coming:
            coming -= 1
            count += 1
            waiting[count - 1] = entry_of(count - 1)
    assert ended == list(range(count))


async def test_an_event_that_was_taken_apart_has_one_key_and_is_sent_last(bench: Bench) -> None:
    bench.settings = {"coalesce": "updates_into_events"}
    bench.sandbox.faults.add(InjectedFault(status=400, body_matches="poison"))
    await bench.enqueue(*(identify(number, bad=number == 2) for number in range(4)), TRACK)
    await hand_over_after_each_request(bench, identify(9), {**TRACK, "messageId": "second"})
    sent = [(request["path"], request["status"]) for request in bench.requests]
    assert [status for path, status in sent if path == "/events/send"] == [400, 200, 200]
    assert [path for path, _ in sent[1:-2]] == ["/contacts/update"] * 5
    keys = [request["idempotency_key"] for request in bench.requests if request["idempotency_key"]]
    assert len(set(keys)) == 3


def test_what_an_older_version_wrote_of_an_event_sent_apart_is_read() -> None:
    raw = partial_entry('{"type":"track","messageId":"m"}', only=["events"])
    older = raw[:-1] + b',"apart":["events"]}'
    assert list(read_entry(older).apart) == ["events"]
    assert read_entry(raw).apart == {}
