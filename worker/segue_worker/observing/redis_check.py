"""Checks that Redis loses nothing: that it is new enough, does not evict, and keeps its data on disk."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from redis import Redis, RedisError, ResponseError

from segue_producer.clients import every_node, why_refused
from segue_producer.urls import kind
from segue_worker.errors import RedisSetupError
from segue_worker.observing.finding import Finding, Level

NODE_TIMEOUT_S: Final = 5.0
_NO_KEY: Final = "segue:doctor"
OLDEST: Final = (6, 2)
"""The oldest Redis that has all the commands that are used. Valkey reports 7.2 or later as its Redis version."""


def check_redis(redis: "Redis", url: str = "") -> list[str]:
    """Check that Redis keeps what it is given (docs/running.md#redis-settings).

    Args:
        redis: a connected client.
        url: that it was made with; with those of Sentinels and of a cluster every server is asked.

    Returns:
        warnings, for people.

    Raises:
        RedisSetupError: it is too old, or an eviction policy could drop events.
        redis.RedisError: Redis does not answer.
    """
    findings = inspect_all(redis, url)
    faults = [str(each) for each in findings if each.level is Level.FAULT]
    if faults:
        raise RedisSetupError("\n".join(faults))
    return [str(each) for each in findings if each.level is Level.WARNING]


def inspect_all(redis: "Redis", url: str) -> list[Finding]:
    """`inspect_redis` for every server behind a client; what is said of each names it.

    Raises:
        redis.RedisError: nobody says which servers there are, or the only one does not answer.
    """
    if not kind(url):
        return inspect_redis(redis)
    findings = []
    for name, node in every_node(redis, url, timeout=NODE_TIMEOUT_S).items():
        with node:
            try:
                found = [*inspect_redis(node), *_replication(node)]
            except (RedisError, OSError) as error:
                found = [replace(unanswered("it", error, "start it"), level=Level.WARNING)]
        findings += [replace(each, text=f"{name}: {each.text}") for each in found]
    return findings


def unanswered(who: str, error: BaseException, advice: str) -> Finding:
    """A fault: that a server refuses, or does not answer, with what to do about it; `advice` is for the latter."""
    said = why_refused(error)
    verb = "refuses" if said else "does not answer"
    return Finding("redis", Level.FAULT, f"{who} {verb} ({type(error).__name__})", said or advice)


def check_writes(redis: "Redis") -> Finding:
    """Whether Redis takes a write, which a full one, a replica, and one that cannot reach its disk refuse. Changes nothing.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    try:
        # There is no such key, and only one that there is would be set.
        redis.set(_NO_KEY, "1", xx=True)
    except RedisError as error:
        if not (advice := why_refused(error)):
            raise
        return Finding("redis writes", Level.FAULT, f"Redis refuses to write ({type(error).__name__})", advice)
    return Finding("redis writes", Level.OK, "Redis takes what is written")


def _replication(redis: "Redis") -> list[Finding]:
    with suppress(ResponseError):
        facts: Mapping[str, Any] = redis.info("replication")
        if facts["role"] == "master" and "min_slaves_good_slaves" not in facts:
            said = "a primary that is cut off from its replicas goes on accepting events, which are lost when another takes over"
            advice = "set min-replicas-to-write 1 and min-replicas-max-lag 10"
            return [Finding("redis replication", Level.WARNING, said, advice)]
    return []


def inspect_redis(redis: "Redis") -> list[Finding]:
    """Look at version, eviction policy and persistence.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    try:
        facts: Mapping[str, Any] = redis.info()
    except ResponseError:
        # Some managed services forbid INFO.
        redis.ping()
        advice = "make sure that it is 6.2 or later, with maxmemory-policy noeviction and appendonly yes"
        return [Finding("redis settings", Level.WARNING, "this user may not read the settings of Redis (INFO)", advice)]
    return [_version(facts), _policy(facts), _persistence(redis, facts)]


def _version(facts: Mapping[str, Any]) -> Finding:
    version = str(facts.get("redis_version", "0"))
    name = f"Valkey {facts['valkey_version']}" if "valkey_version" in facts else f"Redis {version}"
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        return Finding("redis version", Level.FAULT, f"{name} is too old", "use Redis 6.2 or later, or Valkey")
    return Finding("redis version", Level.OK, name)


def _policy(facts: Mapping[str, Any]) -> Finding:
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return Finding("redis policy", Level.OK, "Redis evicts nothing")
    return Finding(
        "redis policy",
        Level.FAULT,
        f"Redis may drop events: its maxmemory-policy is {policy}",
        "set it to noeviction (redis-cli CONFIG SET maxmemory-policy noeviction, and in redis.conf), then start again",
    )


def _persistence(redis: "Redis", facts: Mapping[str, Any]) -> Finding:
    subject = "redis persistence"
    if facts.get("aof_enabled"):
        if facts.get("aof_last_write_status", "ok") != "ok":
            return Finding(
                subject, Level.FAULT, "Redis cannot write its append-only file", "look at the log and the disk of Redis"
            )
        return Finding(subject, Level.OK, "the append-only file is on")
    try:
        snapshots = redis.config_get("save").get("save")
    except ResponseError:
        return Finding(
            subject,
            Level.WARNING,
            "this user may not read how Redis keeps its data (CONFIG)",
            "make sure that appendonly is on",
        )
    if snapshots:
        return Finding(
            subject, Level.WARNING, "if Redis crashes, what came after its last snapshot is lost", "set appendonly yes"
        )
    return Finding(
        subject,
        Level.WARNING,
        "Redis keeps its data in memory only: waiting events are lost when it restarts",
        "set appendonly yes",
    )
