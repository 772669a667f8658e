"""Requests per event on a sign-up trace that waits."""

from collections import defaultdict

from benchmarks.results import Row
from benchmarks.stage import Stage, wait_until
from benchmarks.traces import sign_ups


def rows(*, people: int = 200) -> list[Row]:
    """Deliver the trace with `updates_into_events`, and see that the order was kept."""
    with Stage(coalesce="updates_into_events") as stage:
        events = list(sign_ups(people))
        stage.enqueue(events)
        stage.worker()
        wait_until(lambda: stage.delivered() >= len(events))
        requests = stage.sandbox.requests()
    order: dict[str, list[str]] = defaultdict(list)
    for request in requests:
        order[request["body"]["userId"]].append(request["body"].get("eventName", "update"))
    kept = all(names == ["User Registered", "Trial Started", "update"] for names in order.values())
    detail = {"people": people, "order kept": kept}
    per_event = len(requests) / len(events)
    return [Row("requests per event, sign-up", "Segment: 1", [per_event], "", 0.5, "lower", detail)]
