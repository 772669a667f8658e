"""Merging: fewer requests, the same effect."""

from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue_sandbox.core import Sandbox
from segue_sandbox.switches import Switches
from segue_sandbox.transport import SandboxTransport
from segue_worker.delivery.coalesce import Group, Mode, Piece, apart, coalesce
from segue_worker.mapping import Request

LISTS = ("clxf1nxlb000t0ml79ajwcsj0", "cm06f5v0e45nf0ml5754o9cix")


def update(**body: Any) -> Request:
    return Request("contacts", "createOrUpdateContact", "PUT", "/contacts/update", {"userId": "u1", **body})


def event(name: str = "E", **body: Any) -> Request:
    fields = {"eventName": name, "userId": "u1", "eventProperties": {}, **body}
    return Request("events", "sendEvent", "POST", "/events/send", fields)


def grouped(*requests: Request, mode: Mode = "updates") -> list[Group]:
    return coalesce([Piece(place, request) for place, request in enumerate(requests)], mode)


def test_neighbouring_updates_become_one_and_later_keys_win() -> None:
    (group,) = grouped(
        update(email="a@example.com", plan="free", mailingLists={"x": True, "y": True}),
        update(plan="pro", city=None, mailingLists={"y": False}),
    )
    assert group.request.body == {
        "userId": "u1",
        "email": "a@example.com",
        "plan": "pro",
        "city": None,
        "mailingLists": {"x": True, "y": False},
    }


def test_an_event_between_updates_keeps_them_apart() -> None:
    assert len(grouped(update(a=1), event(), update(a=2))) == 3


def test_an_update_folds_into_the_event_that_follows_but_not_into_the_one_before() -> None:
    groups = grouped(update(a=1), update(b=2), event("First"), event("Second"), update(c=3), mode="updates_into_events")
    assert [len(group.pieces) for group in groups] == [3, 1, 1]
    assert groups[0].request.body == {"eventName": "First", "userId": "u1", "eventProperties": {}, "a": 1, "b": 2}


def test_what_the_event_says_of_the_contact_counts_more_than_the_update_before() -> None:
    (group,) = grouped(update(plan="free", mailingLists={"x": True}), event(plan="pro"), mode="updates_into_events")
    assert group.request.body["plan"] == "pro"
    assert group.request.body["mailingLists"] == {"x": True}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (update(userId="u1"), update(userId="u2")),
        (update(email="a@example.com"), update(email="b@example.com")),
        (update(mailingLists={"x": True}), update(subscribed=False)),
        (update(mailingLists={"x": False}), update(mailingLists={"x": True})),
        (update(eventName="a property of this name"), event()),
        (update(eventProperties="a property of this name"), event()),
    ],
)
def test_what_would_end_differently_is_not_merged(first: Request, second: Request) -> None:
    assert len(grouped(first, second, mode="updates_into_events")) == 2


def test_nothing_is_merged_when_off() -> None:
    assert len(grouped(update(a=1), update(a=2), mode="off")) == 2


# One type for each property: Loops gives a property the type of its first value.
update_bodies = st.fixed_dictionaries(
    {"userId": st.just("u1")},
    optional={
        "email": st.sampled_from(["a@example.com", "b@example.com"]),
        "firstName": st.sampled_from(["Ada", "Bob", None]),
        "plan": st.sampled_from(["free", "pro", None]),
        "city": st.sampled_from([1, 2, None]),
        "subscribed": st.booleans(),
        "mailingLists": st.dictionaries(st.sampled_from(LISTS), st.booleans()),
    },
)
updates = update_bodies.map(lambda body: update(**body))
events = st.builds(lambda name, body: event(name, **body), st.sampled_from(["E", "F"]), update_bodies)


async def effect(requests: list[Request]) -> tuple[Any, Any]:
    """The contacts and the names of the events after the requests, at a sandbox where u1 exists already."""
    sandbox = Sandbox(Switches(rate_limit=10_000, type_clash="coerce"))
    async with httpx.AsyncClient(
        transport=SandboxTransport(sandbox), base_url="http://sandbox", headers={"Authorization": "Bearer sandbox-key"}
    ) as client:
        first = update(email="a@example.com")
        for request in [first, *requests]:
            await client.request(request.method, f"/api/v1{request.path}", json=request.body)
        contacts = (await client.get("/api/v1/contacts/find", params={"userId": "u1"})).json()
    return contacts, [accepted.name for accepted in sandbox.events]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(updates, events), max_size=8), st.sampled_from(["updates", "updates_into_events"]))
async def test_the_merged_requests_always_have_the_effect_of_the_single_ones(
    requests: list[Request], mode: Mode
) -> None:
    pieces = [Piece(place, request) for place, request in enumerate(requests)]
    groups = coalesce(pieces, mode)
    assert [piece for group in groups for piece in group.pieces] == pieces
    assert [piece for group in groups for part in apart(group) for piece in part.pieces] == pieces
    assert await effect([group.request for group in groups]) == await effect(requests)
