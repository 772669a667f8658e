"""What the `/_sandbox` endpoints show of contacts, events and the whole, as JSON-ready records."""

from collections.abc import Iterator
from typing import Any, TypedDict

from segue_sandbox.core import Sandbox
from segue_sandbox.endpoints.contacts import show
from segue_sandbox.store import Team


class EventRecord(TypedDict):
    """An accepted event; `at` in unix seconds of the movable clock; identifiers as they were then."""

    n: int
    at: float
    team: str
    eventName: str
    eventProperties: dict[str, Any]
    contact_id: str
    email: str
    userId: str | None
    idempotency_key: str | None
    mailed: bool


class Summary(TypedDict):
    """The ledger in numbers.

    `accepted`: requests the rate limiter let pass; the two maxima are over any one-second window, of the busiest
    team if there are several. `used_of_rate`: accepted requests over what the limit allowed between the first and
    the last of them (1.0 is the whole limit; null below two requests), of the busiest team.
    """

    received: int
    accepted: int
    applied: int
    rate_limited: int
    by_status: dict[str, int]
    by_fault: dict[str, int]
    contacts: int
    events: int
    max_received_per_second: int
    max_accepted_per_second: int
    used_of_rate: float | None


def contact_records(sandbox: Sandbox, team: str | None = None) -> Iterator[dict[str, Any]]:
    """Every contact as contacts/find shows it, with its `team` and the lists it has left for good."""
    for owner in _teams(sandbox, team):
        for contact in owner.contacts:
            yield {**show(contact), "team": owner.name, "leftLists": sorted(contact.left_lists)}


def event_records(sandbox: Sandbox, team: str | None = None) -> Iterator[EventRecord]:
    """Accepted events in order of arrival."""
    for event in sandbox.events:
        if team is None or event.team == team:
            yield {
                "n": event.n,
                "at": event.at,
                "team": event.team,
                "eventName": event.name,
                "eventProperties": event.properties,
                "contact_id": event.contact_id,
                "email": event.email,
                "userId": event.user_id,
                "idempotency_key": event.idempotency_key,
                "mailed": event.mailed,
            }


def summary(sandbox: Sandbox, team: str | None = None) -> Summary:
    """The ledger in numbers, of one team or all."""
    teams = _teams(sandbox, team)
    totals = sandbox.ledger.totals(team)
    busiest = max(teams, key=lambda owner: owner.limiter.accepted_total, default=None)
    return {
        "received": totals.received,
        "accepted": sum(owner.limiter.accepted_total for owner in teams),
        "applied": totals.applied,
        "rate_limited": totals.rate_limited,
        "by_status": dict(totals.by_status),
        "by_fault": dict(totals.by_fault),
        "contacts": sum(len(owner.contacts) for owner in teams),
        "events": sum(1 for _ in event_records(sandbox, team)),
        "max_received_per_second": max((owner.limiter.received.peak for owner in teams), default=0),
        "max_accepted_per_second": max((owner.limiter.accepted.peak for owner in teams), default=0),
        "used_of_rate": None if busiest is None else busiest.limiter.used_share(sandbox.switches.rate_limit),
    }


def _teams(sandbox: Sandbox, name: str | None) -> list[Team]:
    return [team for team in sandbox.teams.values() if name is None or team.name == name]
