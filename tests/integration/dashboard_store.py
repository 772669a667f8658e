"""A store as a large installation has it, written at once: 300 destinations, 100,000 entries of a log, 50,000 dead letters."""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final

import orjson

from segue_producer.keys import ABOUT_WORKERS, WORKERS, Keys, contact_digest
from segue_worker.config import load_config
from segue_worker.observing.workers import WorkerAbout
from segue_worker.outbox.dead_letter import REASONS, DeadLetter
from segue_worker.outbox.log_record import FIELD, Attempt, EventPart, Record, RequestPart
from segue_worker.outbox.outgoing import Outgoing, Parked, Ref
from segue_worker.outbox.plan import Plan

from .stack import KEYS, Stack

DESTINATIONS: Final = 300
ENTRIES: Final = 100_000
LETTERS: Final = 50_000
PARKED: Final = 2000
ALWAYS_THERE: Final = "user-always-there@example.com"
"""Whose events are one in ten of the log's, and of the letters'."""
MAPPINGS: Final = [
    {"name": "Sync contacts", "action": "createOrUpdateContact"},
    *({"name": f"Send event {number}", "action": "sendEvent"} for number in range(9)),
]


def fill(stack: Stack) -> None:
    """Write it; nothing of it is delivered, because no worker runs."""
    names = [f"team-{number:03}" for number in range(DESTINATIONS - 1)]
    stack.add_destinations(names)
    _pretend_workers(stack)
    chance = random.Random(1)
    now_ms = int(time.time() * 1000)
    for place, name in enumerate(names):
        keys = Keys(name)
        stack.redis.set(keys.pending, place)
        for number in range(place % 7):
            stack.redis.zadd(keys.due, {f"u{number}": now_ms - 1000 * place})
            stack.redis.rpush(f"{keys.outbox}u{number}", _event(f"u{number}", "Waiting", f"w-{number}"))
    _many(stack, _entries(chance, now_ms))
    _many(stack, _letters(chance, now_ms))
    _many(stack, _parked(now_ms))
    _many(stack, _minutes(chance, now_ms))


Command = Callable[[Any], object]
"""Adds a command to a pipeline."""


def _many(stack: Stack, commands: Iterable[Command]) -> None:
    rest = iter(commands)
    while some := list(islice(rest, 5000)):
        with stack.redis.pipeline(transaction=False) as pipe:
            for command in some:
                command(pipe)
            pipe.execute()


def _pretend_workers(stack: Stack) -> None:
    config = load_config(stack.config)
    for number in range(4):
        stack.redis.hset(ABOUT_WORKERS, f"worker{number}", WorkerAbout.of(config, 0).to_json())
        stack.redis.zadd(WORKERS, {f"worker{number}": int(time.time() * 1000) + 3_600_000})
    plan = Plan.of(config.destinations[0].mappings)
    stack.redis.set(KEYS.plan + plan.version, plan.to_json())


def _event(user: str, name: str, message_id: str) -> str:
    traits = {"email": f"{user}@example.com", "name": "Ada Lovelace", "phone": "+44 20 7946 0958"}
    event = {"type": "track", "event": name, "userId": user, "messageId": message_id, "context": {"traits": traits}}
    return orjson.dumps({**event, "properties": {"plan": "Pro", "note": "n" * 200}}).decode()


def _user(number: int) -> str:
    return ALWAYS_THERE if number % 10 == 0 else f"user-{number % 20_000:05}"


def _entries(chance: random.Random, now_ms: int) -> Iterator[Command]:
    for number in range(ENTRIES):
        at = now_ms - (ENTRIES - number) * 800
        mapping, name = f"Send event {number % 9}", f"Event {number % 40}"
        outcome: Any = chance.choice(["delivered"] * 17 + ["dead", "filtered", "parked"])
        request = None
        if outcome != "filtered":
            status = {"delivered": 200, "dead": 400, "parked": 503}[outcome]
            sent = Attempt(at - 90, status, 80)
            request = RequestPart("/events/send", ((f"m-{number}", mapping),), (sent,), 1, outcome, str(status), at)
        part = EventPart(f"m-{number}", name, outcome, at - 300, "0" * 16 if outcome == "filtered" else "")
        raw = Record(contact_digest(_user(number).encode()), (part,), request).to_json()
        yield lambda pipe, at=at, number=number, raw=raw: pipe.xadd(KEYS.log, {FIELD: raw}, id=f"{at}-{number}")  # type: ignore[misc]


def _letters(chance: random.Random, now_ms: int) -> Iterator[Command]:
    reasons = list(REASONS)[:8]
    for number in range(LETTERS):
        user, at = _user(number), now_ms - (LETTERS - number) * 2000
        reason = chance.choice(reasons)
        status, name = chance.choice([400, 404, 422]), f"Event {number % 40}"
        body = orjson.dumps({"email": f"{user}@example.com", "eventName": name, "note": "n" * 200}).decode()
        text = f'{{"success":false,"message":"List {number % 30} is unknown to {user}"}}'
        letter = DeadLetter(
            reason,
            f"Loops answered {status} {text}",
            user,
            (f"Send event {number % 9}",),
            (f"d-{number}",),
            (_event(user, name, f"d-{number}"),),
            at,
            request={"method": "POST", "path": "/events/send", "body": body},
            answer={"status": status, "text": text},
            attempts=1,
            first_attempt=at - 5000,
        )
        yield lambda pipe, letter=letter: pipe.hset(KEYS.dead, letter.id, letter.to_json())  # type: ignore[misc]
        yield lambda pipe, letter=letter: pipe.zadd(KEYS.dead_at, {letter.id: letter.at})  # type: ignore[misc]


def _parked(now_ms: int) -> Iterator[Command]:
    for number in range(PARKED):
        user = f"parked-{number:05}@a-customer-with-a-long-name.example.com"
        body = orjson.dumps({"email": user, "eventName": "Flaky", "note": "n" * 200})
        request = Outgoing("POST", "/events/send", body, "a-key", (Ref(0, f"Send event {number % 9}"),))
        because = '503 {"success":false,"message":"Service Unavailable, please do try again later"}'
        raw = Parked(3, now_ms - 60_000, now_ms + 60_000 + number, because, request, now_ms - 90_000).to_json()
        yield lambda pipe, user=user, raw=raw: pipe.hset(KEYS.parked, user, raw)  # type: ignore[misc]
        yield lambda pipe, user=user, at=now_ms + 60_000 + number: pipe.zadd(KEYS.away, {user: at})  # type: ignore[misc]
        yield lambda pipe, user=user: pipe.rpush(KEYS.outbox + user, _event(user, "Flaky", f"p-{user}"))  # type: ignore[misc]


def _minutes(chance: random.Random, now_ms: int) -> Iterator[Command]:
    last = now_ms // 60_000
    for minute in range(last - 7 * 1440 + 1, last + 1):
        counted: dict[str, Any] = {
            name: chance.randint(100, 999) for name in ("delivered", "requests", "filtered", "duplicates")
        }
        counted |= {f"wait:{place}": chance.randint(1, 99) for place in range(3, 15)}
        counted |= {f"took:{place}": chance.randint(1, 99) for place in range(3, 10)}
        counted |= {"oldest_ms": 700, "sum:wait": 99_999, "sum:took": 9999, "sum:limit": 999, "retries": 3, "dead": 2}
        yield lambda pipe, minute=minute, counted=counted: pipe.hset(f"{KEYS.stats}{minute}", mapping=counted)  # type: ignore[misc]
