"""Everything that is counted of a destination: the one place where names of counters and what they mean are written down.

Whoever counts, in Python or in Lua, uses these names; status, health, metrics, the dashboard and the pages read them here.
"""

from typing import Annotated, Final, Literal, NamedTuple, TypedDict, get_type_hints


class Meaning(NamedTuple):
    """What a counter counts.

    Attributes:
        unit: of what.
        text: a sentence without its full stop.
        by: who raises it. `delivery`: every settlement raises one of these, so they show that events move. What
            producers raise is kept in the hash `measures`, everything else in `totals`.
        title: a word or two for headings, where its name will not do.
    """

    unit: Literal["events", "requests", "dead letters", "claims", "values", "hints"]
    text: str
    by: Literal["delivery", "claim", "producer", "person", "sweep"] = "delivery"
    title: str = ""


class Counts(TypedDict, total=False):
    """Counters by name: fields of `totals`, `measures` and `stats`, see docs/design.md#redis-keys."""

    enqueued: Annotated[int, Meaning("events", "Events put into the outbox", by="producer")]
    hints_failed: Annotated[
        int,
        Meaning(
            "hints",
            "Hints that the broker did not take, or that were not even tried while it was away; delivery goes on without",
            by="producer",
        ),
    ]
    delivered: Annotated[int, Meaning("events", "Events that left the outbox with at least one request delivered")]
    filtered: Annotated[int, Meaning("events", "Events that left the outbox because no mapping fired")]
    duplicates: Annotated[
        int, Meaning("events", "Events that left the outbox because an event of their messageId had left it before")
    ]
    requests: Annotated[
        int,
        Meaning(
            "requests",
            "Requests sent and recorded, answered or not. Loops may have received more: the last request of an "
            "interrupted claim, up to three times, of which nobody can know; what was under way for a contact that was "
            "forgotten; and what was recorded in writes that Redis lost",
        ),
    ]
    retries: Annotated[int, Meaning("requests", "Those of them that repeated an earlier attempt")]
    rate_limited: Annotated[int, Meaning("requests", "Those of them that Loops answered with 429", title="429s")]
    merged: Annotated[int, Meaning("requests", "Requests saved by merging neighbouring ones")]
    repaired: Annotated[
        int,
        Meaning("values", "Values of requests that were written in a form that Loops takes", title="values repaired"),
    ]
    left_out: Annotated[
        int, Meaning("values", "Values left out of requests because Loops cannot hold them", title="values left out")
    ]
    unchanged: Annotated[
        int,
        Meaning("events", "Those of the delivered events whose update Loops had already, so that no request was sent"),
    ]
    replayed: Annotated[int, Meaning("dead letters", "Dead letters put back into the outbox", by="person")]
    dropped: Annotated[int, Meaning("dead letters", "Dead letters forgotten by hand", by="person")]
    dead_dropped: Annotated[
        int,
        Meaning("dead letters", "Dead letters forgotten because there were too many or they were too old", by="sweep"),
    ]
    interrupted: Annotated[
        int,
        Meaning(
            "claims",
            "Claims of a contact that ended without being settled: a worker was killed, lost Redis or overran its lease. "
            "segue trace and segue tail name their contacts' events",
            by="claim",
            title="interrupted claims",
        ),
    ]
    dead: Annotated[int, Meaning("dead letters", "Requests and events given up for good")]
    forgotten: Annotated[int, Meaning("events", "Events that segue forget removed", by="person")]


COUNTERS: Final[dict[str, Meaning]] = {
    name: hint.__metadata__[0] for name, hint in get_type_hints(Counts, include_extras=True).items()
}
"""Name → what it means, in the order in which they are shown."""

MAPPED: Final = "mapped"
"""In `measures`: events that went through the mappings."""
FIRED: Final = "fired"
"""In `measures`, before a colon and a mapping's name: events for which the mapping fired."""
FAILED: Final = "failed"
"""The same: events on which the mapping failed."""
REJECTED: Final = "rejected"
"""In `measures`, before a colon and a reason: events that became dead letters because no outbox took them
(`segue_producer/bury.lua`)."""
OLDEST: Final = "oldest_ms"
"""In `stats`: the longest that a live contact had waited at any sweep of the minute, in ms."""
OLDEST_BULK: Final = "oldest_bulk_ms"
"""The same of bulk."""


def title(name: str) -> str:
    """What a counter is called in a heading."""
    return COUNTERS[name].title or name.replace("_", " ")
