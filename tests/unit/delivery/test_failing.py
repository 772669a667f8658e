"""Whatever the delivery of one contact raises: its own contact waits, longer each time, and in the end a dead letter."""

from itertools import pairwise
from typing import Any

import orjson
import pytest

from segue_worker.delivery.failure import FAILURES_MOST
from segue_worker.loops import Answer, LoopsClient
from segue_worker.outbox import Outbox
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.entry import partial_entry, read_entry
from segue_worker.outbox.outbox import digest
from segue_worker.outbox.outgoing import Parked

from .conftest import DAY_MS, KEYS, Bench

TRACK = {"type": "track", "event": "E", "properties": {"email": "u1@example.com"}}
OTHER = {**TRACK, "userId": "u2", "event": "Other"}
UNKNOWN_PARTIAL = b'{"type":"segue.partial","of":"a later version"}'


async def letters(bench: Bench) -> list[DeadLetter]:
    return [DeadLetter.from_json(raw) for raw in (await bench.redis.hgetall(KEYS.dead)).values()]


async def run_until_given_up(bench: Bench, contact: str = "u1") -> list[int]:
    """Run each time the contact is due, until there is a dead letter. Returns the pauses in between, in ms."""
    pauses: list[int] = []
    for _ in range(3 * FAILURES_MOST):
        await bench.run()
        if await letters(bench):
            return pauses
        ends = await bench.redis.zscore(KEYS.away, contact) or bench.now_ms
        pauses.append(int(ends) - bench.now_ms)
        bench.now_ms = int(ends)
    raise AssertionError("nothing was given up")


async def push(bench: Bench, entry: bytes, contact: str = "u1") -> None:
    await bench.redis.rpush(KEYS.outbox + contact, entry)
    await bench.redis.zadd(KEYS.due, {contact: bench.now_ms}, nx=True)
    await bench.redis.incr(KEYS.pending)


async def nothing_is_left(bench: Bench) -> None:
    assert await bench.pending() == 0
    assert await bench.redis.exists(KEYS.due, KEYS.away, KEYS.lease, KEYS.run, KEYS.parked, KEYS.outbox + "u1") == 0


async def test_an_entry_of_another_version_waits_longer_each_time_and_holds_up_nobody(bench: Bench) -> None:
    await push(bench, UNKNOWN_PARTIAL)
    await bench.enqueue({**TRACK, "event": "Behind"}, OTHER)
    pauses = await run_until_given_up(bench)
    assert len(pauses) == FAILURES_MOST - 1
    assert all(later == min(2 * earlier, 900_000) for earlier, later in pairwise(pauses))
    assert pauses[0] == 1000
    (letter,) = await letters(bench)
    assert (letter.reason, letter.contact, letter.events) == ("internal", "u1", (UNKNOWN_PARTIAL.decode(),))
    assert [body["eventName"] for body in bench.bodies] == ["Other", "Behind"]
    assert await bench.counters() == {"delivered": 2, "dead": 1, "requests": 2}
    await nothing_is_left(bench)


def of_own(kind: str, **fields: Any) -> bytes:
    """An entry of Segue's own for an event of the messageId `m`, with fields that are not as they should be."""
    event = orjson.dumps({**TRACK, "userId": "u1", "messageId": "m"}).decode()
    whole: dict[str, Any] = (
        {"entry": event} if kind == "begun" else {"event": event, "done": {}, "only": None, "replay": ""}
    )
    return orjson.dumps({"type": f"segue.{kind}", **whole, **fields})


@pytest.mark.parametrize(
    "entry",
    [
        *(of_own("begun", begun=begun, entry=5) for begun in (["", 0, "", 0], [])),
        *(of_own("begun", begun=[5, 0, "", 0]), of_own("begun", begun=["", 1, "", "z"])),
        *(of_own("begun", begun=[[], 1, {}, 0]), of_own("begun", begun=["", 1, 5, 1])),
        *(of_own("begun", begun=["", -1, "", 0]), of_own("begun", begun=["", 1, "", -3])),
        *(of_own("begun", begun=["", True, "", 0]), of_own("begun", begun=5), of_own("begun", begun=[""] * 5)),
        *(of_own("partial", trace=trace) for trace in (5, ["a"])),
        *(of_own("partial", done={"events": fate}) for fate in (5, [5], "unheard of")),
        *(of_own("partial", only=only) for only in ([5], [["events"]], 5)),
        *(of_own("partial", replay=5), of_own("partial", origin=5), of_own("partial", source=5)),
        *(of_own("partial", apart={"events": 5}), of_own("partial", apart=[5]), of_own("partial", done=[5])),
    ],
    ids=bytes.decode,
)
async def test_an_entry_of_which_a_field_is_damaged_waits_longer_each_time_and_holds_up_nobody(
    bench: Bench, entry: bytes
) -> None:
    await push(bench, entry)
    await bench.enqueue({**TRACK, "event": "Behind"}, OTHER)
    pauses = await run_until_given_up(bench)
    assert len(pauses) == FAILURES_MOST - 1
    assert all(later == min(2 * earlier, 900_000) for earlier, later in pairwise(pauses))
    (letter,) = await letters(bench)
    assert (letter.reason, letter.contact, letter.events) == ("internal", "u1", (entry.decode(),))
    assert [body["eventName"] for body in bench.bodies] == ["Other", "Behind"]
    await nothing_is_left(bench)


async def test_a_contact_whose_entries_fail_to_be_read_waits_longer_each_time_and_holds_up_nobody(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is that nobody has thought of."""

    def read(raw: bytes) -> Any:
        if b"ada@" in raw:
            raise ZeroDivisionError("ada@example.com")
        return read_entry(raw)

    monkeypatch.setattr("segue_worker.delivery.backlog.read_entry", read)
    await bench.enqueue({**TRACK, "properties": {"email": "ada@example.com"}}, OTHER)
    pauses = []
    for _ in range(4):
        await bench.run()
        ends: Any = await bench.redis.zscore(KEYS.away, "u1")
        pauses.append(int(ends) - bench.now_ms)
        bench.now_ms = int(ends)
    assert pauses == [1000, 2000, 4000, 8000]
    assert [body["eventName"] for body in bench.bodies] == ["Other"]
    assert await bench.pending() == 1


async def test_what_lies_before_an_entry_that_cannot_be_read_is_delivered_at_once(bench: Bench) -> None:
    await bench.enqueue({**TRACK, "event": "Before"})
    await push(bench, UNKNOWN_PARTIAL)
    await bench.run()
    assert [body["eventName"] for body in bench.bodies] == ["Before"]
    assert await bench.pending() == 1


def of_request(**fields: Any) -> bytes:
    """The record of a parked request with fields that are not as they should be."""
    request = {"method": "POST", "path": "/events/send", "body": "{}", "key": None, "refs": [], "parts": [], **fields}
    return orjson.dumps({"attempts": 1, "first": 2, "next": 3, "because": "", "request": request})


@pytest.mark.parametrize(
    "record",
    [
        *(b"\xff\xfe no JSON", b'{"attempts":1}', b"[1,2]"),
        *(b'{"attempts":1,"first":2,"next":3,"because":"","request":{}}', of_request(refs=[["0", "events"]])),
        *(of_request(refs=[[-1, "events"]]), of_request(refs=[[0, 5]]), of_request(method=5), of_request(key=5)),
    ],
)
async def test_a_parked_record_that_cannot_be_read_holds_up_only_its_contact(bench: Bench, record: bytes) -> None:
    await bench.enqueue({**TRACK, "messageId": "m"}, OTHER)
    await bench.redis.hset(KEYS.parked, "u1", record)
    assert len(await run_until_given_up(bench)) == FAILURES_MOST - 1
    (letter,) = await letters(bench)
    assert (letter.reason, letter.message_ids) == ("internal", ("m",))
    assert [body["eventName"] for body in bench.bodies] == ["Other"]
    await nothing_is_left(bench)


async def test_a_parked_record_of_another_version_is_kept_until_a_version_reads_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older worker that takes part for a while loses no frozen request."""
    frozen = Parked(1, bench.now_ms, 0, "503", None)
    with monkeypatch.context() as newer:
        newer.setattr(Parked, "_from_fields", None)
        assert Parked.from_json(frozen.to_json()).unread
        await bench.enqueue(TRACK)
        await bench.redis.hset(KEYS.parked, "u1", frozen.to_json())
        await bench.run()
        bench.now_ms += 1000
        await bench.run()
    raw: Any = await bench.redis.hget(KEYS.parked, "u1")
    parked = Parked.from_json(raw)
    assert (parked.attempts, parked.because, parked.failures, parked.unread) == (1, "503", 1, "")


async def test_a_parked_request_of_events_that_are_not_there_holds_up_only_its_contact(bench: Bench) -> None:
    """Neither the log's line of the failure nor the note of the request can be made then."""
    await bench.enqueue({**TRACK, "messageId": "m"}, OTHER)
    await bench.redis.hset(KEYS.parked, "u1", of_request(refs=[[7, "events"]]))
    pauses = await run_until_given_up(bench)
    assert len(pauses) == FAILURES_MOST - 1
    (letter,) = await letters(bench)
    assert (letter.reason, letter.message_ids) == ("internal", ("m",))
    assert [body["eventName"] for body in bench.bodies if body] == ["Other"]
    await nothing_is_left(bench)


async def test_an_outbox_that_is_no_list_holds_up_nobody_and_is_set_aside(bench: Bench) -> None:
    await bench.redis.set(KEYS.outbox + "u1", "no list")
    await bench.redis.zadd(KEYS.due, {"u1": bench.now_ms})
    await bench.enqueue(OTHER)
    pauses = await run_until_given_up(bench)
    assert len(pauses) == FAILURES_MOST - 1
    (letter,) = await letters(bench)
    assert (letter.reason, letter.contact, letter.events) == ("internal", "u1", ())
    assert await bench.redis.get(KEYS.damaged + "u1") == b"no list"
    assert [body["eventName"] for body in bench.bodies] == ["Other"]
    await nothing_is_left(bench)
    await bench.enqueue({**TRACK, "event": "Later"})
    await bench.run()
    assert [body["eventName"] for body in bench.bodies] == ["Other", "Later"]


async def test_an_event_whose_planning_fails_is_found_behind_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes before it is delivered one by one, and it alone is given up."""

    def lets_through(event: dict[str, Any]) -> bool:
        if event.get("event") == "Guilty":
            raise ZeroDivisionError("ada@example.com")
        return True

    monkeypatch.setattr("segue_worker.delivery.planning.lets_through", lets_through)
    events = ("First", "Second", "Guilty", "Last")
    await bench.enqueue(*({**TRACK, "event": name, "messageId": name} for name in events))
    await run_until_given_up(bench)
    await bench.run()
    (letter,) = await letters(bench)
    assert (letter.reason, letter.message_ids, letter.mappings) == ("internal", ("Guilty",), ())
    assert "ZeroDivisionError" in letter.detail
    assert "ada@" not in letter.detail
    assert [body["eventName"] for body in bench.bodies] == ["First", "Second", "Last"]
    await nothing_is_left(bench)


async def test_a_request_whose_sending_fails_is_resent_as_it_is_and_given_up_with_its_events(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[bytes, str | None]] = []
    original = LoopsClient.send

    async def send(self: LoopsClient, method: str, path: str, body: bytes, **options: Any) -> Answer:
        answer = await original(self, method, path, body, **options)
        if orjson.loads(body).get("plan"):
            sent.append((body, options["idempotency_key"]))
            raise OverflowError("a header")
        return answer

    monkeypatch.setattr(LoopsClient, "send", send)
    plans = ({"type": "identify", "messageId": plan, "traits": {"plan": plan}} for plan in ("a", "b"))
    await bench.enqueue(*plans, {**TRACK, "messageId": "behind"})
    await bench.run()
    bench.settings = {"coalesce": "off"}
    await bench.enqueue({"type": "identify", "traits": {"plan": "later"}, "messageId": "later"})
    bench.now_ms += 1000
    await run_until_given_up(bench)
    (letter,) = await letters(bench)
    assert (letter.reason, letter.message_ids, letter.attempts) == ("internal", ("a", "b"), FAILURES_MOST)
    assert len(set(sent[:FAILURES_MOST])) == 1
    counters = await bench.counters()
    assert (counters["requests"], counters["retries"]) == (len(bench.requests), FAILURES_MOST - 1)
    entries: Any = await bench.redis.xrange(KEYS.log)
    log = [orjson.loads(entry[b"e"]) for _, entry in entries]
    assert sum(len(request[2]) for _, _, request, *_ in log if request) == len(bench.requests)


async def test_of_an_event_that_is_partly_done_only_the_rest_is_given_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(event: dict[str, Any]) -> bool:
        raise ZeroDivisionError(event["event"])

    monkeypatch.setattr("segue_worker.delivery.planning.lets_through", fails)
    event = orjson.dumps({**TRACK, "userId": "u1", "messageId": "m"}).decode()
    await push(bench, partial_entry(event, done={"contacts": "delivered"}))
    await run_until_given_up(bench)
    (letter,) = await letters(bench)
    assert (letter.mappings, letter.refs) == (("events",), ((0, "events"),))
    assert (await bench.counters())["delivered"] == 1
    await nothing_is_left(bench)


async def test_a_settlement_that_cannot_be_recorded_takes_nothing_and_holds_up_nobody(bench: Bench) -> None:
    """The dead letters' key is damaged: who needs it waits, and whoever does not goes on."""
    await bench.redis.set(KEYS.dead, "no hash")
    await bench.enqueue({**TRACK, "properties": {"email": "no address"}}, OTHER)
    for _ in range(FAILURES_MOST + 2):
        await bench.run()
        bench.now_ms += 900_000
    assert [body["eventName"] for body in bench.bodies] == ["Other"]
    assert await bench.pending() == 1
    await bench.redis.delete(KEYS.dead)
    await bench.run()
    (letter,) = await letters(bench)
    assert letter.reason == "payload"
    await nothing_is_left(bench)


async def test_what_was_settled_before_is_asked_one_by_one_where_one_question_fails(bench: Bench) -> None:
    await bench.enqueue({**OTHER, "event": "First", "messageId": "first"})
    await bench.run()
    key = f"{KEYS.seen}{DAY_MS}:{bench.now_ms // DAY_MS}:{digest('m')[0]:02x}"
    await bench.redis.set(key, "no hash")
    await bench.enqueue({**TRACK, "messageId": "m"}, {**OTHER, "messageId": "other"})
    await bench.run()
    assert [body["eventName"] for body in bench.bodies] == ["First", "Other"]
    await bench.redis.delete(key)
    bench.now_ms += 1000
    await bench.run()
    assert [body["eventName"] for body in bench.bodies] == ["First", "Other", "E"]


async def test_the_pause_is_forgotten_with_the_first_success(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = True
    original = Outbox.settle

    async def settle(self: Outbox, *args: Any, **options: Any) -> int | None:
        if failing and args[1].taken:
            raise KeyError("ada@example.com")
        return await original(self, *args, **options)

    monkeypatch.setattr(Outbox, "settle", settle)
    await bench.enqueue({**TRACK, "messageId": "m"})
    await bench.run()
    bench.now_ms += 1000
    await bench.run()
    failing = False
    bench.now_ms += 2000
    await bench.run()
    assert [request["status"] for request in bench.requests] == [200, 409, 409]
    assert await letters(bench) == []
    assert (await bench.counters())["delivered"] == 1
    await nothing_is_left(bench)
