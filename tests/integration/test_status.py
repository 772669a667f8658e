"""A status that agrees with what Loops received, and a pause that holds."""

import json
import signal
from typing import Any

from segue_worker.outbox.counters import OLDEST

from .commands import segue, start
from .stack import KEYS, MakeStack, Stack, wait_until


def status(stack: Stack) -> dict[str, Any]:
    said = segue(stack, "status", "--json")
    fields: dict[str, Any] = said["destinations"]["loops"]
    return fields


def queue_age_ms(stack: Stack) -> int:
    """The longest wait that sweeps have recorded."""
    return max(int(stack.redis.hget(key, OLDEST) or 0) for key in stack.redis.scan_iter(f"{KEYS.stats}*"))


def test_the_counters_agree_with_what_loops_received(make_stack: MakeStack) -> None:
    stack = make_stack()
    for number in range(30):
        stack.producer.identify(f"u{number}", {"email": f"u{number}@example.com"})
        stack.producer.identify(f"u{number}", {"plan": "Pro"})
        stack.producer.track(f"u{number}", "Signed Up", message_id=f"m{number}")
    stack.producer.track("u0", "Signed Up", message_id="m0")
    stack.producer.identify("u1", {"plan": "Pro"}, integrations={"All": False})
    before = status(stack)
    assert (before["pending"], before["due"], before["in_flight"], before["delivered"]) == (92, 30, 0, 0)
    assert before["oldest_pending_s"] > 0

    stack.worker()
    stack.wait_delivered()
    after = status(stack)
    assert {name: after[name] for name in ("pending", "due", "in_flight", "parked", "dead", "oldest_pending_s")} == {
        **dict.fromkeys(("pending", "due", "in_flight", "parked", "dead"), 0),
        "oldest_pending_s": 0.0,
    }
    assert (after["delivered"], after["duplicates"], after["filtered"], after["paused"]) == (90, 1, 1, None)
    requests = stack.sandbox.requests()
    assert after["requests"] == len(requests) == sum(record["applied"] for record in requests)
    assert after["requests"] + after["merged"] == after["delivered"]
    assert (after["retries"], after["rate_limited"]) == (0, 0)


def test_a_pause_by_hand_stops_delivery_until_it_is_resumed(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.worker()
    segue(stack, "pause", "loops", "--reason", "a look around")
    stack.producer.identify("u1", {"email": "u1@example.com"})
    held = status(stack)
    assert (held["pending"], held["due"]) == (1, 1)
    assert held["paused"]["reason"] == "a look around"
    assert held["paused"]["next_probe"] is None
    assert stack.sandbox.requests() == []
    wait_until(lambda: queue_age_ms(stack) > held["oldest_pending_s"] * 1000)
    segue(stack, "resume", "loops")
    stack.wait_delivered()
    assert len(stack.sandbox.requests()) == 1
    assert status(stack)["paused"] is None


def test_watching_prints_a_line_each_second_and_ends_cleanly_on_ctrl_c(make_stack: MakeStack) -> None:
    stack = make_stack()
    with start(stack, "status", "--watch", "--json") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert [list(json.loads(line)["destinations"]) for line in lines] == [["loops"], ["loops"]]
    assert (process.returncode, stderr) == (0, "")
