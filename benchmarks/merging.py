"""Requests per event on a sign-up trace that waits."""

from collections import defaultdict

from tests.integration.stack import wait_until

from benchmarks.measuring import new_stack
from benchmarks.results import Row
from benchmarks.traces import sign_ups


def rows(*, people: int = 200) -> list[Row]:
    """Deliver the trace with `updates_into_events`, and see that the order was kept."""
    with new_stack(coalesce="updates_into_events") as stack:
        events = list(sign_ups(people))
        stack.producer.enqueue(events)
        stack.worker()
        wait_until(lambda: stack.delivered >= len(events), within_s=120)
        requests = stack.sandbox.requests()
    order: dict[str, list[str]] = defaultdict(list)
    for request in requests:
        order[request["body"]["userId"]].append(request["body"].get("eventName", "update"))
    kept = all(names == ["User Registered", "Trial Started", "update"] for names in order.values())
    detail = {"people": people, "order kept": kept}
    per_event = len(requests) / len(events)
    return [Row("requests per event, sign-up", "Segment: 1", [per_event], "", 0.5, "lower", detail)]
