"""Checks everything that delivery needs, from Redis to the API key: what `segue doctor` does."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from redis import Redis, RedisError, ResponseError

from segue_producer.broker import celery_app
from segue_producer.clients import NO_BROKER, async_redis_client, where, why_refused
from segue_producer.keys import DESTINATIONS, Keys
from segue_producer.settings import QUEUE
from segue_worker.config import Config, Destination, Inspection
from segue_worker.observing.api_keys import KeyCheck, check_keys, note_teams
from segue_worker.observing.counts import read_counts
from segue_worker.observing.damage import read_damage
from segue_worker.observing.destinations import find_held, known_beside, note_held, orphan_text
from segue_worker.observing.finding import Finding, Level
from segue_worker.observing.orphaned_mappings import gone_mappings
from segue_worker.observing.redis_check import check_writes, inspect_all, unanswered
from segue_worker.observing.workers import read_workers
from segue_worker.printable import counted

WAIT_S: Final = 3
"""Seconds to wait for the broker."""
WORKERS_ANSWER_WITHIN_S: Final = 1.5
SWEPT_WITHIN_MS: Final = 60_000
SLOTS_WITHIN_S: Final = 10
"""For how long slots are waited for, and a second more for each destination."""
_START: Final = "start one: celery -A segue_worker worker -B"


def examine(redis: "Redis", redis_url: str, broker_url: str, inspection: Inspection) -> Iterator[Finding]:
    """Check one thing after the other.

    Args:
        redis: client that answers bytes.
        redis_url: the URL it is connected to.
        broker_url: Celery's broker.
        inspection: the configuration as it was read here.
    """
    yield from _configuration(inspection)
    try:
        redis.ping()
        yield Finding("redis", Level.OK, f"{where(redis_url)} answers")
        yield from inspect_all(redis, redis_url)
        yield check_writes(redis)
        redis_answers = True
    except (RedisError, OSError) as error:
        yield unanswered(where(redis_url), error, "start it, or correct SEGUE_REDIS_URL")
        redis_answers = False
    yield from _broker(broker_url)
    parts = [_served(redis, inspection.config), _orphans(redis, inspection.config)] if redis_answers else []
    if inspection.config is not None:
        parts.append(_api_keys(redis if redis_answers else None, redis_url, inspection.config))
    refusals = set()
    for part in parts:
        try:
            yield from part
        except (RedisError, OSError) as error:
            # A damaged key, or a user with few rights: that keeps no other check from being made.
            refusals.add((type(error).__name__, why_refused(error) or "look at its log"))
    for kind, advice in sorted(refusals):
        yield Finding("redis", Level.FAULT, f"it refused what a check needs ({kind})", advice)


def _configuration(inspection: Inspection) -> Iterator[Finding]:
    for problem in inspection.problems:
        yield Finding("configuration", Level.FAULT, str(problem).splitlines()[0], "segue check shows it in full")
    for warning in inspection.warnings:
        yield Finding("configuration", Level.WARNING, str(warning))
    if inspection.config is not None:
        names = ", ".join(each.name for each in inspection.config.destinations)
        yield Finding("configuration", Level.OK, f"{inspection.config.path}: {names}")


def _broker(url: str) -> Iterator[Finding]:
    if not url:
        yield Finding("broker", Level.FAULT, NO_BROKER)
        return
    app = celery_app("segue", url, timeout=WAIT_S, set_as_current=False)
    try:
        with app.connection_for_write() as connection:
            # A Redis is only spoken to when a channel is opened.
            connection.ensure_connection(max_retries=1, timeout=WAIT_S)
            connection.default_channel  # noqa: B018 - opened by being asked for
        replies = app.control.inspect(timeout=WORKERS_ANSWER_WITHIN_S).active_queues() or {}
    except Exception as error:  # noqa: BLE001 - the broker may be of any kind, and each has errors of its own
        # kombu's error has that of the server as its cause.
        found = unanswered(where(url), error.__cause__ or error, "start it, or correct SEGUE_BROKER_URL")
        yield replace(found, subject="broker")
        return
    yield Finding("broker", Level.OK, f"{where(url)} answers")
    alive = sorted(name for name, queues in replies.items() if any(queue["name"] == QUEUE for queue in queues))
    if alive:
        yield Finding("workers", Level.OK, f"{len(alive)} alive: {', '.join(alive)}")
    else:
        yield Finding("workers", Level.FAULT, f"no worker answered within {WORKERS_ANSWER_WITHIN_S:g} s", _START)


def _served(redis: "Redis", config: Config | None) -> Iterator[Finding]:
    """Check the sweep, which announces what the workers serve, and compare that with the configuration."""
    seconds, _ = redis.time()
    announced = read_counts(redis.hgetall(DESTINATIONS))
    latest = max(announced.values(), default=None)
    if latest is None:
        yield Finding("sweep", Level.FAULT, "no sweep has run yet", _START)
        return
    age_s = max(0, int(seconds) - latest // 1000)
    if age_s * 1000 > SWEPT_WITHIN_MS:
        advice = "start one worker with -B, or start beat: celery -A segue_worker beat"
        yield Finding("sweep", Level.FAULT, f"the last sweep ran {age_s} s ago", advice)
        return
    yield Finding("sweep", Level.OK, f"the last sweep ran {age_s} s ago")
    if config is not None:
        served = {name for name, at in announced.items() if at >= latest - SWEPT_WITHIN_MS}
        yield from _compared(redis, config, served)


def _compared(redis: "Redis", config: Config, served: set[str]) -> Iterator[Finding]:
    subject = "configuration of the workers"
    restart = f"restart them with {config.path}"
    same = True
    damaged = read_damage(redis, [each.name for each in config.destinations])
    if outdated := read_workers(redis).outdated(config):
        same = False
        yield Finding(subject, Level.FAULT, outdated)
    for each in config.destinations:
        if each.name not in served:
            same = False
            yield Finding(subject, Level.FAULT, f"no worker serves {each.name}", restart)
            continue
        here = {"max_pending": each.max_pending, "rate_limit": each.rate_limit}
        there = {} if each.name in damaged else read_counts(redis.hgetall(Keys(each.name).settings))
        for name, value in here.items():
            if there.get(name, value) != value:
                same = False
                said = f"{each.name}: {name} is {value} in {config.path}, but the workers have {there[name]}"
                yield Finding(subject, Level.FAULT, said, restart)
    for name in sorted(served - {each.name for each in config.destinations}):
        same = False
        said = f"workers serve {name}, which is not in {config.path}"
        yield Finding(subject, Level.WARNING, said, "check whether SEGUE_CONFIG is meant to differ here")
    if same:
        yield Finding(subject, Level.OK, "the workers have the configuration of the file")


def _orphans(redis: "Redis", config: Config | None) -> Iterator[Finding]:
    """Name what nobody serves, found by a search of Redis, which may know more than the sweep has noted."""
    found = find_held(redis)
    if found:
        note_held(redis, found)
    known = known_beside(redis, config)
    for text in known.damaged.values():
        yield Finding("damaged destination", Level.FAULT, text)
    for name in sorted(known.orphaned - known.damaged.keys()):
        yield Finding("orphaned destination", Level.FAULT, orphan_text(name))
    for name, mappings in gone_mappings(redis, known).items():
        for mapping, held in mappings.items():
            kept = f"{counted(held['parked'], 'parked request')} and {counted(held['dead'], 'dead letter')}"
            said = f"{name} has no mapping {mapping!r} any more, but {kept} of it"
            yield Finding("orphaned mapping", Level.WARNING, said, f"segue dead replay {name} --mapping {mapping!r}")


def _api_keys(redis: "Redis | None", redis_url: str, config: Config) -> Iterator[Finding]:
    enabled = [each for each in config.destinations if each.enabled]
    checks = asyncio.run(check_keys(enabled) if redis is None else _within_the_limits(redis_url, enabled))
    if redis is not None:
        with suppress(ResponseError):
            note_teams(redis, enabled, checks)
    for key in checks:
        subject = f"key of {key.destination}"
        if key.problem:
            yield Finding(subject, Level.FAULT, key.problem, key.advice)
        else:
            yield Finding(subject, Level.OK, f"Loops accepts it; team: {key.team or '(Loops names none)'}")


async def _within_the_limits(redis_url: str, destinations: Sequence[Destination]) -> list[KeyCheck]:
    """Ask about the keys in slots of their teams, which may be busy; without, where a slot is long in coming or cannot be had."""
    async with async_redis_client(redis_url, timeout=WAIT_S) as limiter:
        with suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(SLOTS_WITHIN_S + len(destinations)):
                return await check_keys(destinations, limiter)
    return await check_keys(destinations)
