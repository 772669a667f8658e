"""`segue doctor`, against real servers, a real worker and the sandbox."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

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


def faults(found: dict[str, Any]) -> set[str]:
    return {subject for subject, each in found.items() if each["level"] == "fault"}


def test_a_sound_installation_has_a_clean_bill(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack()
    stack.worker()
    wait_until(lambda: stack.redis.exists(DESTINATIONS) == 1)
    code, found = doctor(stack)
    assert (code, faults(found)) == (0, set())
    assert {each["level"] for each in found.values()} == {"ok"}
    subjects = {"configuration", "redis", "redis version", "redis policy", "redis persistence", "broker", "workers"}
    assert set(found) == subjects | {"sweep", "configuration of the workers", "key of loops"}
    assert found["workers"]["text"].startswith("1 alive: ")
    assert found["key of loops"]["text"] == "Loops accepts it; team: key"
    with start(stack, "doctor") as process:
        stdout, _ = process.communicate(timeout=60)
    assert len(stdout.splitlines()) == len(found)


def test_a_redis_that_refuses_is_told_as_such_and_keeps_no_other_check_from_being_made(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack()
    stack.worker()
    wait_until(lambda: stack.redis.exists(DESTINATIONS) == 1)
    with setting(stack, "maxmemory", "1"):
        code, found = doctor(stack)
    assert code == 1
    assert {"redis"} <= faults(found) <= {"redis", "broker"}
    assert all("out of memory" in found[subject]["advice"] for subject in faults(found))
    assert found["key of loops"]["level"] == "ok"


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


def test_a_faulty_configuration_is_bad_usage_and_the_rest_is_still_looked_at(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack()
    stack.config.write_text("destinations: []\n")
    code, found = doctor(stack)
    assert code == 2
    assert {"configuration", "workers", "sweep"} == faults(found)
    assert found["redis"]["level"] == "ok"
