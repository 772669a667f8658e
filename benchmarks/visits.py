"""People who are identified with every page they load: what that costs at Loops."""

from typing import Any

from benchmarks.measuring import new_stack
from benchmarks.results import Row
from benchmarks.traces import identify

VISITS = 20
CHANGES = (7, 14)
"""The visits at which something about the people has changed."""


def page_loads(people: int) -> dict[str, Any]:
    """Identify everybody at each visit; all that it needs is delivered before the next one."""
    with new_stack() as stack:
        stack.worker()
        for visit in range(VISITS):
            plan = sum(visit >= change for change in CHANGES)
            stack.producer.enqueue(
                [identify(f"person-{number}", f"person-{number}-{visit}", plan=plan) for number in range(people)]
            )
            stack.wait_delivered()
        requests, counters, contacts = stack.sandbox.requests(), stack.counters, stack.sandbox.contacts()
    ends = {contact["userId"]: contact["plan"] for contact in contacts}
    return {
        "requests": len(requests),
        "unchanged": counters.get("unchanged", 0),
        "end state right": len(ends) == people and set(ends.values()) == {len(CHANGES)},
    }


def rows(*, people: int = 1000) -> list[Row]:
    """Requests for each event of the trace."""
    seen = page_loads(people)
    per_event = seen["requests"] / (people * VISITS)
    detail = {"people": people, "visits": VISITS, "unchanged": seen["unchanged"]}
    right = float(seen["end state right"])
    return [
        Row("requests per event, page loads", "1", [per_event], "", 0.15, "lower", detail),
        Row("end state as if all were sent", "page loads", [right], "", 1, detail={"people": people}),
    ]


if __name__ == "__main__":
    for row in rows():
        print(row)
