"""Counters that agree with the sandbox's ledger, also after kills; metrics that Prometheus's own tool accepts."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from segue_worker.observing.metrics.exposition import render
from tests import needs

from .commands import start
from .stack import MakeStack, Stack, wait_until

MONITORING = Path(__file__).parents[2] / "deploy" / "monitoring"
CONTACTS, EACH = 60, 5


def numbers(stack: Stack) -> dict[tuple[str, ...], float]:
    text = render(stack.redis, ["loops"]).decode()
    return {
        (sample.name, *(value for label, value in sample.labels.items() if label != "destination")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def enqueue(stack: Stack) -> int:
    """Track events, each of which is one request; a second copy of some; and some that no mapping takes."""
    events: Any = [
        {
            "type": "track",
            "userId": f"u{contact}",
            "event": f"E{number}",
            "messageId": f"{contact}-{number}",
            "properties": {"email": f"u{contact}@example.com"},
        }
        for number in range(EACH)
        for contact in range(CONTACTS)
    ]
    kept_back: Any = [
        {**event, "messageId": f"f{n}", "integrations": {"All": False}} for n, event in enumerate(events[:20])
    ]
    stack.producer.enqueue([*events, *events[:30], *kept_back])
    return len(events)


def check_books(stack: Stack, events: int) -> None:
    found = numbers(stack)
    assert found["segue_events_enqueued_total",] == events + 50
    assert found["segue_events_settled_total", "delivered"] == events == found["segue_delivery_seconds_count",]
    assert found["segue_events_settled_total", "duplicate"] == 30
    assert found["segue_events_settled_total", "filtered"] == 20
    assert found["segue_pending_events",] == 0
    ledger = stack.sandbox.requests()
    assert found["segue_events_settled_total", "delivered"] == sum(record["applied"] for record in ledger)
    # What was sent and never recorded, because its worker was killed, was sent again with the same key.
    assert found["segue_requests_total",] == len({record["idempotency_key"] for record in ledger})
    assert found["segue_request_seconds_count",] == found["segue_requests_total",]
    assert found["segue_mapping_events_total", "Send events", "fired"] == events
    assert found["segue_log_entries",] >= events


def test_every_counter_agrees_with_the_ledger(make_stack: MakeStack) -> None:
    stack = make_stack()
    events = enqueue(stack)
    stack.worker()
    stack.wait_delivered()
    check_books(stack, events)
    assert numbers(stack)["segue_requests_total",] == len(stack.sandbox.requests())


def test_every_counter_agrees_with_the_ledger_of_a_loops_that_fails(make_stack: MakeStack) -> None:
    stack = make_stack(sandbox={"fail": 0.2, "seed": 20261123})
    events = enqueue(stack)
    stack.worker()
    stack.worker(beat=False)
    stack.wait_delivered()
    found = numbers(stack)
    ledger = stack.sandbox.requests()
    # One that found its event applied already, because the answer was lost, is told so by 409.
    assert len(stack.sandbox.events()) == events == found["segue_events_settled_total", "delivered"]
    assert found["segue_interrupted_claims_total",] == 0
    assert found["segue_requests_total",] == len(ledger) > events
    assert found["segue_retries_total",] == len(ledger) - len({record["idempotency_key"] for record in ledger})
    assert found["segue_rate_limited_total",] == sum(record["status"] == 429 for record in ledger) > 0


@pytest.mark.parametrize("point", ["after_claim", "after_send", "before_settle", "after_settle"])
def test_every_counter_agrees_with_the_ledger_after_a_kill(make_stack: MakeStack, point: str) -> None:
    stack = make_stack()
    events = enqueue(stack)
    times = 1 if point == "after_claim" else 20
    killed = stack.worker(beat=False, wait=False, SEGUE_FAULT_POINT=f"{point}:{times}")
    wait_until(lambda: killed.ended)
    stack.worker()
    stack.wait_delivered()
    check_books(stack, events)
    found = numbers(stack)
    unrecorded = len(stack.sandbox.requests()) - found["segue_requests_total",]
    assert 0 <= unrecorded <= found["segue_interrupted_claims_total",]
    assert point not in {"after_send", "before_settle"} or unrecorded > 0


def test_the_command_prints_them(make_stack: MakeStack) -> None:
    stack = make_stack()
    with start(stack, "metrics") as process:
        stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (0, "")
    assert 'segue_pending_events{destination="loops"} 0.0' in stdout


@needs.promtool
def test_promtool_accepts_metrics_and_rules(make_stack: MakeStack) -> None:
    stack = make_stack()
    enqueue(stack)
    stack.worker()
    stack.wait_delivered()
    for command, given in (
        (["metrics"], render(stack.redis, ["loops", "other"])),
        (["rules", str(MONITORING / "rules.yml")], b""),
        (["config", str(MONITORING / "prometheus.yml")], b""),
    ):
        done = subprocess.run([needs.PROMTOOL, "check", *command], input=given, check=False, capture_output=True)
        assert (done.returncode, done.stderr) == (0, b""), command
