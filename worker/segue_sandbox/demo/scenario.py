"""The scenario: which events are enqueued, what goes wrong on purpose, and what must become of each event."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

FateKind = Literal["delivered", "merged", "duplicate", "dead", "unknown"]
"""`merged`: delivered in one request with others. `unknown`: nothing tells; never expected."""

NEWSLETTER: Final = "clxf1nxlb000t0ml79ajwcsj0"
UPDATES: Final = "cm06f5v0e45nf0ml5754o9cix"
LISTS: Final = ({"id": NEWSLETTER, "name": "Newsletter"}, {"id": UPDATES, "name": "Product updates"})
RATE_LIMIT: Final = 10


@dataclass(frozen=True, slots=True)
class Planned:
    """An event to enqueue, what must become of it, and how often its request must at least have been sent."""

    event: Any
    becomes: FateKind = "delivered"
    attempts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """A part of the demo.

    Attributes:
        title: heading.
        text: what happens and why, for somebody who sees Segue for the first time.
        planned: its events, enqueued in one call.
        effects: how many requests must take effect at Loops.
        faults: what the sandbox does wrong meanwhile (fields of `segue_sandbox.faults.InjectedFault`).
        subscribed: contact → ids of the lists it must be on afterwards.
    """

    title: str
    text: str
    planned: tuple[Planned, ...]
    effects: int
    faults: tuple[Mapping[str, Any], ...] = ()
    subscribed: Mapping[str, frozenset[str]] | None = None


def identify(user_id: str, message_id: str, **traits: Any) -> dict[str, Any]:
    """An identify event."""
    return {"type": "identify", "messageId": message_id, "userId": user_id, "traits": traits}


def track(user_id: str, message_id: str, event: str, **properties: Any) -> dict[str, Any]:
    """A track event."""
    return {"type": "track", "messageId": message_id, "userId": user_id, "event": event, "properties": properties}


def chapters() -> tuple[Chapter, ...]:
    """The whole demo, in order."""
    return (_contacts(), _events(), _order(), _duplicates(), _updates(), _refused(), _failing(), _rate_limited())


def _contacts() -> Chapter:
    both = frozenset({NEWSLETTER, UPDATES})
    as_object = {NEWSLETTER: True, UPDATES: True}
    as_list = [{"listId": NEWSLETTER, "subscribed": True}, {"listId": UPDATES, "subscribed": True}]
    traits = {"firstName": "Adam", "favoriteColor": "blue", "favoriteNumber": 42}
    return Chapter(
        title="identify creates and updates contacts",
        text="Traits become contact properties. Mailing lists may be written in either shape the documentation shows.",
        planned=(
            Planned(identify("adam", "identify-1", email="adam@example.com", **traits)),
            Planned(identify("eve", "identify-2", email="eve@example.com", mailingLists=as_object)),
            Planned(identify("noah", "identify-3", email="noah@example.com", mailingLists=as_list)),
        ),
        effects=3,
        subscribed={"eve": both, "noah": both},
    )


def _events() -> Chapter:
    return Chapter(
        title="track sends events",
        text="Each track call becomes a Loops event of the same name with its properties. That can start an email.",
        planned=(Planned(track("adam", "track-1", "User Registered", plan="Pro", seats=3)),),
        effects=1,
    )


def _order() -> Chapter:
    return Chapter(
        title="One contact's events stay in order",
        text="Two people sign up, start a trial and upgrade. People share the request rate; each person's story keeps its "
        "order. Out of order, the first event would even be refused: Loops does not know the contact yet.",
        planned=tuple(
            Planned(event)
            for name in ("ada", "grace")
            for event in (
                identify(name, f"order-{name}-1", email=f"{name}@example.com", plan="trial"),
                track(name, f"order-{name}-2", "Trial Started", days=14),
                identify(name, f"order-{name}-3", plan="pro"),
                track(name, f"order-{name}-4", "Plan Upgraded", plan="pro"),
            )
        ),
        effects=8,
    )


def _duplicates() -> Chapter:
    order = track("adam", "checkout-4711", "Order Completed", total=99)
    return Chapter(
        title="A repeated messageId takes effect once",
        text="A client without patience sends the same event five times. Loops gets it once.",
        planned=(Planned(order), *(Planned(order, "duplicate"),) * 4),
        effects=1,
    )


def _updates() -> Chapter:
    first = identify("linus", "answer-1", email="linus@example.com", answers=1, answer_1="yes")
    more = (identify("linus", f"answer-{n}", answers=n, **{f"answer_{n}": "yes"}) for n in range(2, 21))
    return Chapter(
        title="Twenty updates of one contact are one request",
        text="Loops takes ten requests a second, and has no batches. Updates that wait for the same contact are merged: "
        "later values win. (The setting `coalesce` turns this off, or merges more.)",
        planned=tuple(Planned(event, "merged") for event in (first, *more)),
        effects=1,
    )


def _refused() -> Chapter:
    return Chapter(
        title="Refused for good: a dead letter, and the rest is delivered",
        text="The first update names a mailing list that does not exist: Loops answers 400, and would every time. Merged "
        "with the second it is refused too, so Segue takes the two apart: only the one at fault is set aside, with its "
        "reason, so that you can look at it and replay it. What the contact did next is not held up.",
        planned=(
            Planned(
                identify("margaret", "dead-1", email="margaret@example.com", mailingLists={"no-such-list": True}),
                "dead",
            ),
            Planned(identify("margaret", "dead-2", email="margaret@example.com", plan="pro")),
            Planned(track("margaret", "dead-3", "Signed In")),
        ),
        effects=2,
    )


def _failing() -> Chapter:
    return Chapter(
        title="Failing for a while: retried until delivered",
        text="Loops answers 500 twice for Alan. Segue waits a little longer each time and sends again. Alan's next event "
        "waits its turn behind; Barbara is not held up.",
        planned=(
            Planned(identify("alan", "retry-1", email="alan@example.com", plan="trial"), attempts=3),
            Planned(track("alan", "retry-2", "Trial Started")),
            Planned(identify("barbara", "retry-3", email="barbara@example.com", plan="trial")),
        ),
        effects=3,
        faults=({"contact": "alan", "status": 500, "count": 2},),
    )


def _rate_limited() -> Chapter:
    people = [f"guest-{n:02}" for n in range(1, 25)]
    slowed = people[9]
    return Chapter(
        title="A rush: paced below the limit, and slowed by a 429",
        text=f"24 people sign up at the same moment. Segue never sends more than {RATE_LIMIT} requests in any one second, "
        "over all workers. Here Loops answers 429 once, asking to wait a second: every worker waits, then continues.",
        planned=tuple(
            Planned(identify(name, f"rush-{name}", email=f"{name}@example.com"), attempts=1 + (name == slowed))
            for name in people
        ),
        effects=24,
        faults=({"contact": slowed, "status": 429, "retry_after": 1, "count": 1},),
    )
