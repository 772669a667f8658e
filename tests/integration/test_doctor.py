"""`segue doctor`, against real servers, a real worker and the sandbox."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from segue_producer.keys import DESTINATIONS, Keys

from .commands import start
from .stack import API_KEY, Stack, wait_until


def doctor(stack: Stack, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and subject → finding; the worse one where a subject has several."""
    with start(stack, "doctor", "--json", *arguments) as process:
        stdout, stderr = process.communicate(timeout=60)
    assert stderr == ""
    assert API_KEY not in stdout
    said = json.loads(stdout)
    assert said["healthy"] is (process.returncode == 0)
    order = ["ok", "warning", "fault"]
    found = sorted(said["findings"], key=lambda each: order.index(each["level"]))
    return process.returncode, {each["subject"]: each for each in found}


@contextmanager
def setting(stack: Stack, name: str, value: str) -> Iterator[None]:
    """Redis with another setting for a while."""
    before = str(stack.redis.config_get(name)[name])
    stack.redis.config_set(name, value)
    try:
        yield
    finally:
        stack.redis.config_set(name, before)
        # Until its first append-only file is written, Redis does not stop when it is told to.
        wait_until(lambda: stack.redis.info("persistence")["aof_rewrite_in_progress"] == 0)


@contextmanager
def refusing(stack: Stack, trouble: str) -> Iterator[None]:
    """Redis is full, or a replica, for a while."""
    if trouble == "full":
        with setting(stack, "maxmemory", "1"):
            yield
        return
    stack.redis.replicaof("127.0.0.1", "9")
    try:
        yield
    finally:
        stack.redis.replicaof("NO", "ONE")


def faults(found: dict[str, Any]) -> set[str]:
    return {subject for subject, each in found.items() if each["level"] == "fault"}


def test_a_sound_installation_has_a_clean_bill(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack()
    stack.worker()
    wait_until(lambda: stack.redis.exists(DESTINATIONS) == 1)
    code, found = doctor(stack)
    assert (code, faults(found)) == (0, set())
    assert {each["level"] for each in found.values()} == {"ok"}
    subjects = {
        "configuration",
        "redis",
        "redis version",
        "redis policy",
        "redis persistence",
        "redis writes",
        "broker",
        "workers",
    }
    assert set(found) == subjects | {"sweep", "configuration of the workers", "key of loops"}
    assert found["workers"]["text"].startswith("1 alive: ")
    assert found["key of loops"]["text"] == "Loops accepts it; team: key"
    with start(stack, "doctor") as process:
        stdout, _ = process.communicate(timeout=60)
    assert len(stdout.splitlines()) == len(found)


def test_the_key_of_a_team_at_its_limit_is_asked_about_within_the_limit(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(rate_limit=3)
    stack.worker()
    # Behind what is live, and behind what the schema asks.
    stack.producer.enqueue(
        [{"type": "identify", "userId": f"u{n}", "traits": {"email": f"u{n}@example.com"}} for n in range(120)]
    )
    wait_until(lambda: stack.delivered >= 3)
    for _ in range(3):
        code, found = doctor(stack)
        assert (code, faults(found), found["key of loops"]["level"]) == (0, set(), "ok")
    assert stack.pending > 0, "it was busy all the while"
    asked = [record["status"] for record in stack.sandbox.requests() if record["path"].endswith("/api-key")]
    assert 429 not in asked


def test_each_fault_is_told_with_what_to_do(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack()
    stack.sandbox.revoke(API_KEY)
    with setting(stack, "maxmemory-policy", "allkeys-lru"), setting(stack, "appendonly", "no"):
        code, found = doctor(stack)
    assert code == 1
    assert faults(found) == {"redis policy", "workers", "sweep", "key of loops"}
    assert found["redis persistence"]["level"] == "warning"
    assert all(found[subject]["advice"] for subject in faults(found))


def test_workers_with_another_configuration_are_told(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(rate_limit=7)
    stack.worker()
    wait_until(lambda: stack.redis.exists(DESTINATIONS, Keys("loops").settings) == 2)
    stack.config.write_text(stack.config.read_text().replace("rate_limit: 7", "rate_limit: 9"))
    _, found = doctor(stack)
    assert (
        found["configuration of the workers"]["text"]
        == f"loops: rate_limit is 9 in {stack.config}, but the workers have 7"
    )
    stack.add_destinations(["other"])
    code, found = doctor(stack)
    assert (code, faults(found)) == (1, {"configuration of the workers"})
    assert found["configuration of the workers"]["text"] == "no worker serves other"


def test_a_redis_and_broker_that_are_away_are_told(make_stack: Callable[..., Stack]) -> None:
    code, found = doctor(make_stack(), "--redis-url", "redis://127.0.0.1:1/0")
    assert (code, faults(found)) == (1, {"redis", "broker"})
    assert found["key of loops"]["level"] == "ok"


@pytest.mark.parametrize(("trouble", "advice"), [("full", "out of memory"), ("replica", "primary")])
def test_a_redis_that_refuses_to_write_is_told_and_the_rest_is_still_looked_at(
    make_stack: Callable[..., Stack], trouble: str, advice: str
) -> None:
    stack = make_stack()
    stack.worker()
    stack.producer.track("nobody", "Signed Up")
    wait_until(lambda: stack.redis.hlen(Keys("loops").dead) == 1)
    with refusing(stack, trouble):
        code, found = doctor(stack)
        with start(stack, "check", "--live") as process:
            process.communicate(timeout=60)
    assert (code, faults(found) >= {"redis writes", "broker"}, process.returncode) == (1, True, 0)
    assert advice in found["redis writes"]["advice"]
    assert advice in found["broker"]["advice"]
    assert found["key of loops"]["level"] == "ok"


def test_a_redis_that_refuses_a_password_is_not_said_to_be_away(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack()
    url = stack.server.url.replace("://", "://somebody:wrong@")
    _, found = doctor(stack, "--redis-url", url)
    assert found["redis"]["advice"] == "check the user and password in its URL"
    for command in ("status", "health"):
        with start(stack, command, "--redis-url", url) as process:
            _, stderr = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "refuses (AuthenticationError)" in stderr
        assert "check the user and password" in stderr


def test_a_faulty_configuration_is_bad_usage_and_the_rest_is_still_looked_at(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack()
    stack.config.write_text("destinations: []\n")
    code, found = doctor(stack)
    assert code == 2
    assert {"configuration", "workers", "sweep"} == faults(found)
    assert found["redis"]["level"] == "ok"
