"""Merging: fewer requests, the same effect."""

from collections.abc import Callable
from itertools import product
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue_sandbox.core import Sandbox
from segue_sandbox.switches import Switches
from segue_worker.config.model import Coalesce
from segue_worker.delivery.coalesce import MergedPieces, Piece, apart, coalesce
from segue_worker.mapping import Request
from segue_worker.mapping.values import repair
from tests.unit.sandbox.in_process import SandboxTransport

LISTS = ("clxf1nxlb000t0ml79ajwcsj0", "cm06f5v0e45nf0ml5754o9cix")


def as_kept(request: Request) -> Request:
    """As a destination with `values: keep` has it."""
    return request._replace(
        kept=tuple(each for each in repair(request.body, request.action)[1] if each.fate != "noticed")
    )


def as_repaired(request: Request) -> Request:
    """As a destination with `values: repair` has it."""
    body, repairs = repair(request.body, request.action)
    return request._replace(body=body, repairs=repairs, kept=())


def update(**body: Any) -> Request:
    return as_kept(Request("contacts", "createOrUpdateContact", "PUT", "/contacts/update", {"userId": "u1", **body}))


def event(name: str = "E", **body: Any) -> Request:
    fields = {"eventName": name, "userId": "u1", "eventProperties": {}, **body}
    return as_kept(Request("events", "sendEvent", "POST", "/events/send", fields))


def grouped(*requests: Request, mode: Coalesce = "updates") -> list[MergedPieces]:
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
        (update(mailingLists={"x": True}), update(mailingLists={"x": "yes"})._replace(kept=())),
        (update(mailingLists={"x": True}), update(mailingLists="none")),
        (update(email=1)._replace(kept=()), update(email=True)._replace(kept=())),
        (update(eventName="a property of this name"), event()),
        (update(eventProperties="a property of this name"), event()),
    ],
)
def test_what_would_end_differently_is_not_merged(first: Request, second: Request) -> None:
    assert len(grouped(first, second, mode="updates_into_events")) == 2


def test_nothing_is_merged_when_off() -> None:
    assert len(grouped(update(a=1), update(a=2), mode="off")) == 2


@pytest.mark.parametrize("absent", [None, ""])
def test_a_later_email_that_says_nothing_leaves_the_earlier_one(absent: str | None) -> None:
    for second in (update(email=absent, plan="pro"), event(email=absent)):
        (group,) = grouped(update(email="new@example.com"), second, mode="updates_into_events")
        assert group.request.body["email"] == "new@example.com"


def test_what_the_lists_say_is_merged_where_nobody_comes_back_to_a_list_that_was_left() -> None:
    (group,) = grouped(update(mailingLists={"x": True, "y": False}), update(mailingLists={"x": True, "z": True}))
    assert group.request.body["mailingLists"] == {"x": True, "y": False, "z": True}


def test_an_event_keeps_the_order_of_its_own_keys() -> None:
    email = {"email": "a@example.com"}
    (group,) = grouped(update(**email, plan="free", x=1), event(**email, plan="pro"), mode="updates_into_events")
    assert list(group.request.body) == ["eventName", "userId", "eventProperties", "email", "plan", "x"]


def test_at_most_a_hundred_are_merged() -> None:
    assert [len(group.pieces) for group in grouped(*(update(a=place) for place in range(201)))] == [100, 100, 1]


KINDS: list[tuple[object, ...]] = [
    (None,),
    (True, False),
    (1, 5, 6.0, -5, 99_999_999_999_999),
    (0.5, 1e14, -1e14, 10**15),
    ("some text", "five", "2024-13-45", "2024-1-2", "TRUE", ""),
    ("true", "false"),
    ("2024-01-02", "2024-01-02T03:04:05.678Z", "2024-01-02 03:04"),
    ("5", "1700000000000"),
    ("0.5", "-5", "100000000000000"),
    ({"x": 1}, {"x": "text"}),
    ([1], ["text"]),
]
"""Of each kind some values."""


def test_only_values_that_loops_takes_alike_are_merged() -> None:
    for kind, another in product(KINDS, repeat=2):
        for values in product(kind, another):
            requests = [update(email="a@example.com", p=value)._replace(kept=()) for value in values]
            assert len(grouped(*requests)) == (1 if kind is another else 2), values


@pytest.mark.parametrize(("earlier", "later"), [("short", "x" * 600), ("x" * 600, "short"), ({"x": 1}, {"x": 2})])
def test_what_has_a_value_that_loops_refuses_is_not_merged(earlier: object, later: object) -> None:
    assert len(grouped(update(p=earlier), update(p=later))) == 2


def test_one_bad_value_among_fifty_updates_costs_three_requests() -> None:
    bodies = [update(**{f"p{place}": "x" * (600 if place == 24 else 5)}) for place in range(50)]
    assert [len(group.pieces) for group in grouped(*bodies)] == [24, 1, 25]


def test_a_bad_value_that_was_repaired_keeps_nothing_apart() -> None:
    bodies = [as_repaired(update(**{f"p{place}": "x" * (600 if place == 24 else 5)})) for place in range(50)]
    (group,) = grouped(*bodies)
    assert group.request.body.keys() == {"userId", *(f"p{place}" for place in range(50) if place != 24)}


def test_a_contact_of_an_email_alone_is_merged_with_itself_only() -> None:
    def by_email(email: str | None, **body: Any) -> Request:
        return update(userId=None, email=email, **body)

    (group,) = grouped(by_email("a@example.com", plan="free"), by_email("a@example.com", plan="pro"))
    assert group.request.body["plan"] == "pro"
    assert len(grouped(by_email("a@example.com"), by_email("b@example.com"))) == 2
    assert len(grouped(by_email("a@example.com"), by_email(None))) == 2
    assert len(grouped(by_email("a@example.com"), update(email="a@example.com"))) == 2


def test_a_refused_merge_is_taken_apart_by_halves_and_its_event_goes_by_itself() -> None:
    (group,) = grouped(*(update(**{f"p{place}": place}) for place in range(4)), event(), mode="updates_into_events")
    updates, alone = apart(group)
    assert (len(updates.pieces), alone.pieces[0].apart) == (4, "event")
    assert [len(half.pieces) for half in apart(updates)] == [2, 2]


VALUES = st.sampled_from(
    [
        *(None, True, 1, 2, 0.5, 1700000000000, 1700000000, "a", "b", "true", "12", "2024-01-02", "2024-13-45"),
        *("2024-01-02T03:04:05.678901Z", "x" * 600, {"x": 1}, [1]),
    ]
)
update_bodies = st.fixed_dictionaries(
    {"userId": st.just("u1")},
    optional={
        "email": st.sampled_from(["a@example.com", "a@example.com", "b@example.com", None, "", "no address"]),
        "firstName": VALUES,
        "createdAt": VALUES,
        "plan": VALUES,
        "city": VALUES,
        "id": st.just(7),
        "subscribed": st.sampled_from([True, False, True, False, "yes", None]),
        "mailingLists": st.one_of(
            st.dictionaries(st.sampled_from([*LISTS, "unknown"]), st.sampled_from([True, False, True, False, "true"])),
            st.just("none"),
        ),
    },
)
updates = update_bodies.map(lambda body: update(**body))
events = st.builds(lambda name, body: event(name, **body), st.sampled_from(["E", "F"]), update_bodies)
switches = st.fixed_dictionaries(
    {},
    optional={
        "type_clash": st.sampled_from(["400", "ignore", "coerce"]),
        "nested_value": st.sampled_from(["400", "ignore", "stringify"]),
        "unknown_list": st.sampled_from(["400", "ignore"]),
        "unknown_property": st.sampled_from(["create", "ignore"]),
        "add_unsubscribed": st.sampled_from(["400", "ignore"]),
        "reserved_keys": st.sampled_from(["400", "ignore"]),
    },
)


async def effect(
    groups: list[MergedPieces], settings: dict[str, Any], *, known: bool
) -> tuple[Any, list[str], list[Piece]]:
    """The contact, the names of the events, and what Loops refused, once groups were sent and, where refused, apart."""
    sandbox = Sandbox(Switches(rate_limit=10_000, **settings))
    refused: list[Piece] = []
    async with httpx.AsyncClient(
        transport=SandboxTransport(sandbox), base_url="http://sandbox", headers={"Authorization": "Bearer sandbox-key"}
    ) as client:

        async def send(group: MergedPieces) -> None:
            request = group.request
            answer = await client.request(request.method, f"/api/v1{request.path}", json=request.body)
            if answer.is_success:
                return
            if len(group.pieces) == 1 or ("not found" in answer.text.lower() and "contact" in answer.text.lower()):
                refused.extend(piece._replace(apart="") for piece in group.pieces)
                return
            for part in apart(group):
                await send(part)

        types = update(email="first@example.com", plan="text", city=1)
        first = [types._replace(body={**types.body, "userId": "u1" if known else "somebody else"})]
        for request in first:
            await client.request(request.method, f"/api/v1{request.path}", json=request.body)
        for group in groups:
            await send(group)
        contacts = (await client.get("/api/v1/contacts/find", params={"userId": "u1"})).json()
    for contact in contacts:
        contact.pop("id")
    return contacts, [accepted.name for accepted in sandbox.events], refused


@settings(max_examples=600, deadline=None)
@given(
    requests=st.lists(st.one_of(updates, events), max_size=8),
    values=st.sampled_from([as_kept, as_repaired]),
    mode=st.sampled_from(["off", "updates", "updates_into_events"]),
    settings=switches,
    known=st.booleans(),
)
async def test_the_merged_requests_always_have_the_effect_of_the_single_ones(
    requests: list[Request],
    values: Callable[[Request], Request],
    mode: Coalesce,
    settings: dict[str, Any],
    *,
    known: bool,
) -> None:
    pieces = [Piece(place, values(request)) for place, request in enumerate(requests)]
    groups = coalesce(pieces, mode)
    assert [piece for group in groups for piece in group.pieces] == pieces
    singly = [MergedPieces(piece.request, (piece,)) for piece in pieces]
    assert await effect(groups, settings, known=known) == await effect(singly, settings, known=known)


def test_the_body_of_a_request_that_was_merged_stays_its_own() -> None:
    requests = [update(a=1), update(b=2), update(c=3)]
    (group,) = grouped(*requests)
    assert group.request.body == {"userId": "u1", "a": 1, "b": 2, "c": 3}
    assert [request.body for request in requests] == [{"userId": "u1", key: at} for at, key in enumerate("abc", 1)]
