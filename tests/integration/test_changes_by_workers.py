"""Changes of the configuration between real workers, and `segue move` that is killed while they work."""

import signal
from collections import defaultdict
from typing import Any

import pytest

from segue_producer import Producer
from segue_producer.keys import DESTINATIONS, Keys
from segue_worker.outbox.pause import Pause, PauseKind

from .commands import segue, start
from .stack import MakeStack, Stack, wait_until

KEYS, NEW = Keys("loops"), Keys("renamed")
MAPPINGS: list[dict[str, Any]] = [
    {"name": "Sync", "action": "createOrUpdateContact"},
    {"name": "First", "action": "sendEvent", "fields": {"eventName": "First"}},
    {"name": "Second", "action": "sendEvent", "fields": {"eventName": "Second"}},
]
CONTACTS, EACH = 20, 5


def enqueue(stack: Stack, *names: str, start: int = 0) -> None:
    with Producer(stack.server.url, names or ("loops",)) as producer:
        producer.enqueue(
            {
                "type": "track",
                "userId": f"u{contact}",
                "event": "E",
                "properties": {"email": f"u{contact}@example.com", "number": start + number},
            }
            for number in range(EACH)
            for contact in range(CONTACTS)
        )


def configure(stack: Stack, **changes: object) -> None:
    """Edit the file; workers that run keep what they were started with."""
    stack._destinations[0].update(changes)
    stack.add_destinations(())


def delivered(stack: Stack) -> dict[tuple[str, str], list[int]]:
    """Contact and name of the event → the numbers, in order of arrival."""
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in stack.sandbox.events():
        found[str(event["userId"]), event["eventName"]].append(event["eventProperties"]["number"])
    return found


def assert_each_once_in_order(stack: Stack, names: tuple[str, ...] = ("First", "Second"), events: int = EACH) -> None:
    expected = {(f"u{contact}", name): list(range(events)) for contact in range(CONTACTS) for name in names}
    assert delivered(stack) == expected


@pytest.fixture
def stack(make_stack: MakeStack) -> Stack:
    return make_stack(rate_limit=200, mappings=MAPPINGS)


def test_a_mapping_is_renamed_while_workers_are_in_the_middle_of_events(stack: Stack) -> None:
    enqueue(stack)
    worker = stack.worker(SEGUE_FAULT_POINT="after_send:60")
    wait_until(lambda: worker.ended)
    configure(stack, mappings=[*MAPPINGS[:2], {**MAPPINGS[2], "name": "Renamed"}])
    stack.worker()
    stack.wait_delivered()
    assert stack.redis.hlen(KEYS.dead) > 0
    segue(stack, "dead", "replay", "loops", "--all", "--json")
    stack.wait_delivered()
    found = delivered(stack)
    assert {key: sorted(numbers) for key, numbers in found.items()} == {
        (f"u{contact}", name): list(range(EACH)) for contact in range(CONTACTS) for name in ("First", "Second")
    }
    assert all(numbers == sorted(numbers) for (_, name), numbers in found.items() if name == "First")


def test_a_destination_is_renamed_and_moved_by_a_command_that_is_killed(stack: Stack) -> None:
    enqueue(stack)
    worker = stack.worker(SEGUE_FAULT_POINT="after_send:40")
    wait_until(lambda: worker.ended)
    configure(stack, name="renamed")
    stack.worker()
    wait_until(lambda: bool(stack.redis.hexists(DESTINATIONS, "renamed")))
    enqueue(stack, "renamed", start=EACH)
    move = start(stack, "move", "loops", "renamed", "--json")
    wait_until(lambda: bool(stack.redis.exists(NEW.arrived + "loops")) or move.poll() is not None)
    move.send_signal(signal.SIGKILL)
    move.communicate()
    segue(stack, "move", "loops", "renamed", "--json")
    wait_until(lambda: not stack.redis.exists(NEW.due, NEW.away, KEYS.due, KEYS.away))
    found = delivered(stack)
    for contact in range(CONTACTS):
        for name in ("First", "Second"):
            numbers = found[f"u{contact}", name]
            assert sorted(numbers) == list(range(2 * EACH))
            for first in (0, EACH):
                block = [number for number in numbers if first <= number < first + EACH]
                assert block == sorted(block)


def test_the_key_is_replaced_while_both_are_valid(stack: Stack) -> None:
    old = stack.worker()
    enqueue(stack)
    wait_until(lambda: bool(stack.sandbox.events()))
    configure(stack, api_key="sandbox-key.two")
    stack.worker()
    enqueue(stack)
    old.stop()
    stack.wait_delivered()
    found = delivered(stack)
    assert {tuple(numbers) for numbers in found.values()} == {(*range(EACH), *range(EACH))}
    assert len(list(stack.redis.scan_iter("segue:rate:*"))) == 1


def test_the_old_key_is_revoked_first(stack: Stack) -> None:
    old = stack.worker()
    stack.sandbox.revoke("sandbox-key")
    enqueue(stack)
    wait_until(lambda: bool(stack.redis.exists(KEYS.paused)))
    old.stop()
    raw = stack.redis.get(KEYS.paused)
    assert raw is not None
    pause = Pause.from_json(raw)
    assert pause.kind is PauseKind.REFUSED
    # Far off, so that only the new key can end it.
    later = Pause(pause.reason, pause.since, pause.since + 250_000, kind=pause.kind)
    stack.redis.set(KEYS.paused, later.to_json())
    configure(stack, api_key="sandbox-key.two")
    stack.worker()
    stack.wait_delivered()
    assert_each_once_in_order(stack)
    assert not stack.redis.exists(KEYS.paused)


def test_what_workers_run_is_said(stack: Stack) -> None:
    stack.worker()
    wait_until(lambda: bool(stack.redis.exists("segue:workers:about")))
    configure(stack, rate_limit=100)
    out, _ = start(stack, "status").communicate(timeout=60)
    assert "1 worker on" in " ".join(out.split())
    assert "restart the workers to apply it" in " ".join(out.split())
