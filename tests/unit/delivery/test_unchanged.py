"""`skip_unchanged`: an update that Loops has confirmed already is not sent again, and the contact ends the same."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis, FakeRedis, FakeServer
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from segue_producer.keys import Keys
from segue_sandbox.core import Sandbox
from segue_sandbox.faults import InjectedFault
from segue_sandbox.switches import Switches
from segue_worker.delivery.context import unix_ms
from segue_worker.operating.forget import forget_here

from .conftest import EVENTS, Bench, mapping

MINUTES = 10
KEYS = Keys("loops")


def bench_at(redis: FakeAsyncRedis, **options: Any) -> Bench:
    bench = Bench(redis, Sandbox(Switches(rate_limit=10_000)))
    bench.settings = {"skip_unchanged": timedelta(minutes=MINUTES), **options}
    return bench


@pytest.fixture
def server() -> FakeServer:
    return FakeServer(version=(6, 2))


@pytest.fixture
async def bench(server: FakeServer) -> Any:
    async with FakeAsyncRedis(server=server) as redis:
        yield bench_at(redis)


def identify(number: int, **traits: Any) -> dict[str, Any]:
    return {"type": "identify", "traits": {"email": "u1@example.com", **traits}, "messageId": f"m{number}"}


def track(number: int) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "E",
        "properties": {"email": "u1@example.com"},
        "messageId": f"m{number}",
    }


async def sent_for(bench: Bench, *events: dict[str, Any]) -> int:
    """How many requests events cost that come one after the other."""
    before = len(bench.requests)
    for event in events:
        await bench.enqueue(event)
        await bench.run()
    return len(bench.requests) - before


async def test_the_same_update_is_sent_once_and_counted(bench: Bench) -> None:
    assert await sent_for(bench, identify(1, plan="pro"), identify(2, plan="pro"), identify(3, plan="pro")) == 1
    assert await bench.counters() == {"delivered": 3, "requests": 1, "unchanged": 2}
    assert await bench.pending() == 0


async def test_a_change_is_sent_and_so_is_the_way_back(bench: Bench) -> None:
    events = (identify(1, plan="pro"), identify(2, plan="free"), identify(3, plan="pro"), identify(4, plan="pro"))
    assert await sent_for(bench, *events) == 3


async def test_after_an_event_of_the_contact_it_is_sent_again(bench: Bench) -> None:
    assert await sent_for(bench, identify(1), track(2), identify(3)) == 3


async def test_after_a_refusal_or_an_answer_that_did_not_come_it_is_sent_again(bench: Bench) -> None:
    assert await sent_for(bench, identify(1, plan="pro")) == 1
    bench.sandbox.faults.add(InjectedFault(status=400, count=1))
    assert await sent_for(bench, identify(2, plan="free")) == 1
    assert await sent_for(bench, identify(3, plan="pro"), identify(4, plan="pro")) == 1


async def test_when_the_window_is_over_it_is_sent_again(bench: Bench) -> None:
    assert await sent_for(bench, identify(1)) == 1
    bench.now_ms += MINUTES * 60_000 - 1000
    assert await sent_for(bench, identify(2)) == 0
    bench.now_ms += 1000
    assert await sent_for(bench, identify(3)) == 1


async def test_a_shorter_time_hides_nothing_that_was_confirmed_for_a_longer_one(bench: Bench) -> None:
    for days, user in ((1.0, "u1"), (0.001, "u2")):
        bench.settings["skip_unchanged"] = timedelta(days=days)
        await sent_for(bench, {**identify(1), "userId": user, "messageId": user})
    assert await bench.redis.pttl(f"{KEYS.confirmed}any") > 12 * 3_600_000


async def test_who_was_forgotten_is_sent_again(bench: Bench, server: FakeServer) -> None:
    await sent_for(bench, identify(1))
    with FakeRedis(server=server) as redis:
        await asyncio.to_thread(forget_here, redis, "loops", "u1", wait=lambda _: None)
    assert await sent_for(bench, identify(2)) == 1


async def test_what_was_sent_while_it_is_off_ends_what_was_confirmed_before(bench: Bench) -> None:
    await sent_for(bench, identify(1, plan="pro"))
    bench.settings["skip_unchanged"] = timedelta()
    assert await sent_for(bench, identify(2, plan="free"), identify(3, plan="free")) == 2
    bench.settings["skip_unchanged"] = timedelta(minutes=MINUTES)
    assert await sent_for(bench, identify(4, plan="pro")) == 1


@pytest.mark.parametrize("named", ["u1", "u1@example.com", " U1@Example.com"])
async def test_who_was_forgotten_by_any_id_is_sent_again(bench: Bench, server: FakeServer, named: str) -> None:
    # A command goes by the clock of Redis.
    bench.now_ms = unix_ms()
    await sent_for(bench, identify(1))
    with FakeRedis(server=server) as redis:
        await asyncio.to_thread(forget_here, redis, "loops", named, wait=lambda _: None)
    assert await sent_for(bench, identify(2), identify(3)) == 1


async def test_another_team_or_address_is_told(bench: Bench) -> None:
    await sent_for(bench, identify(1))
    bench.settings["api_key"] = SecretStr("sandbox-other")
    assert await sent_for(bench, identify(2), identify(3)) == 1


ACCOUNTS = mapping(
    "accounts",
    "createOrUpdateContact",
    trigger='traits.account != null and type = "identify"',
    fields={"userId": {"@path": "$.traits.account"}},
)
PLAIN = mapping(
    "contacts", "createOrUpdateContact", trigger='traits.account = null and userId != null and type = "identify"'
)
BY_EMAIL = mapping(
    "emails", "createOrUpdateContact", trigger='userId = null and type = "identify"', fields={"userId": None}
)
SHARED = st.lists(
    st.tuples(
        st.sampled_from(["u1", "email"]), st.sampled_from(["identify", "track"]), st.sampled_from(["pro", "free"])
    )
    # Their events name no account, and would be those of contacts of their own.
    | st.tuples(st.sampled_from(["alice", "bob"]), st.just("identify"), st.sampled_from(["pro", "free"])),
    max_size=10,
)


@settings(max_examples=60, deadline=None)
@example(steps=[("u1", "identify", "pro"), ("email", "identify", "free"), ("u1", "identify", "pro")])
@example(steps=[("email", "identify", "pro"), ("u1", "identify", "free"), ("email", "identify", "pro")])
@example(steps=[("alice", "identify", "pro"), ("bob", "identify", "free"), ("alice", "identify", "pro")])
@example(steps=[("u1", "identify", "pro"), ("bob", "identify", "free"), ("u1", "identify", "pro")])
@given(steps=SHARED)
async def test_outbox_contacts_that_are_one_at_loops_end_as_if_everything_had_been_sent(steps: list[Any]) -> None:
    ends = []
    for skip in (timedelta(minutes=MINUTES), timedelta()):
        async with FakeAsyncRedis(server=FakeServer(version=(6, 2))) as redis:
            bench = bench_at(redis, skip_unchanged=skip)
            bench.mappings = (ACCOUNTS, PLAIN, BY_EMAIL, EVENTS)
            for number, (who, kind, plan) in enumerate(steps):
                ids = {"userId": who} if who != "email" else {"userId": None, "anonymousId": "a1"}
                event = identify(number, plan=plan, **({"account": "u1"} if who in {"alice", "bob"} else {}))
                await sent_for(bench, {**(event if kind == "identify" else track(number)), **ids})
            contacts = bench.sandbox.team("key").contacts
            known = contacts.by_email("u1@example.com", folded=True)
            assert (known is not None) >= any(kind == "identify" for _, kind, _ in steps)
            ends.append([contact and contact.properties for contact in (contacts.by_user_id("u1"), known)])
    assert ends[0] == ends[1]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("identify"), st.sampled_from(["a", "b"]), st.sampled_from([None, "x"])),
        st.tuples(st.just("track"), st.none(), st.none()),
        st.tuples(st.just("fault"), st.sampled_from([400, 500]), st.none()),
        st.tuples(st.just("wait"), st.sampled_from([1, MINUTES + 1]), st.none()),
        st.tuples(st.just("run"), st.none(), st.none()),
    ),
    max_size=14,
)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS, coalesce=st.sampled_from(["off", "updates", "updates_into_events"]))
async def test_a_contact_ends_as_if_everything_had_been_sent(steps: list[Any], coalesce: str) -> None:
    ends = []
    for skip in (timedelta(minutes=MINUTES), timedelta()):
        async with FakeAsyncRedis(server=FakeServer(version=(6, 2))) as redis:
            bench = bench_at(redis, coalesce=coalesce, skip_unchanged=skip)
            await _do(bench, steps)
            assert await bench.pending() == 0
            contact = bench.sandbox.team("key").contacts.by_user_id("u1")
            ends.append((contact and contact.properties, [event.name for event in bench.sandbox.events]))
    assert ends[0] == ends[1]


async def _do(bench: Bench, steps: list[Any]) -> None:
    for number, (what, first, second) in enumerate(steps):
        if what == "identify":
            traits = {"plan": first} if second is None else {"plan": first, "team": second}
            await bench.enqueue(identify(number, **traits))
        elif what == "track":
            await bench.enqueue(track(number))
        elif what == "fault" and first == 500:
            # An outage, as all of its requests see it: which of them are sent differs.
            bench.sandbox.faults.add(InjectedFault(status=500, count=1))
        elif what == "wait":
            bench.now_ms += first * 60_000
        await bench.run()
    for _ in range(4):
        bench.now_ms += 3_600_000
        await bench.run()
