"""The requests that are made of what mappings made, and their Idempotency-Keys."""

from itertools import product

import pytest

from segue_worker.config.model import Coalesce
from segue_worker.delivery.coalesce import Piece, coalesce
from segue_worker.delivery.requests import idempotency_key, outgoing
from segue_worker.mapping import Request
from segue_worker.outbox.entry import Waiting
from segue_worker.outbox.outgoing import Outgoing, Ref

EVENTS = [("m0", ""), ("m1", ""), ("m2", "letter"), ("m3", "")]
"""messageId and variant, by place."""


def update(**body: object) -> Request:
    return Request("contacts", "createOrUpdateContact", "PUT", "/contacts/update", {"userId": "u1", **body})


TRACK = Request("events", "sendEvent", "POST", "/events/send", {"eventName": "E", "userId": "u1"})


def made(*pieces: Piece, mode: Coalesce = "updates_into_events") -> list[Outgoing]:
    waiting = [Waiting(b"{}", {}, message_id, identity=message_id, replay=variant) for message_id, variant in EVENTS]
    return [outgoing(group, waiting, "loops") for group in coalesce(pieces, mode)]


def key(place: int, *, apart: str = "") -> str:
    message_id, variant = EVENTS[place]
    return idempotency_key("loops", "events", message_id, variant + apart)


def test_the_key_of_an_event_is_the_same_in_every_version() -> None:
    """A request that was sent before an upgrade is sent again after it."""
    assert idempotency_key("loops", "Track", "m-1") == "segue-31abb1e2cf112067ec8b6377e8e76b4c"
    assert idempotency_key("loops", "Track", "m-1", "letter") == "segue-d39ffa78599a37258fb3515f4c658917"
    assert idempotency_key("loops", "Track", "m\ud800") == "segue-229a6a8d4e0d1a6f13eee7326414be4a"


def test_events_that_differ_in_anything_have_different_keys() -> None:
    parts = ["", "a", "b", "ab"]
    keys = {idempotency_key(*each) for each in product(parts, repeat=4)}
    assert len(keys) == len(parts) ** 4


@pytest.mark.parametrize("place", range(len(EVENTS)))
def test_an_event_has_its_key_and_an_update_has_none(place: int) -> None:
    (event,) = made(Piece(place, TRACK))
    assert (event.method, event.path, event.key) == ("POST", "/events/send", key(place))
    assert event.body == b'{"eventName":"E","userId":"u1"}'
    (contact,) = made(Piece(place, update(plan="pro")))
    assert (contact.method, contact.path, contact.key) == ("PUT", "/contacts/update", None)
    assert contact.body == b'{"userId":"u1","plan":"pro"}'
    assert (event.refs, contact.refs) == ((Ref(place, "events"),), (Ref(place, "contacts"),))
    assert (event.parts, event.updates(), contact.parts, contact.updates()) == ((), (), (), ())


def test_a_merged_request_stands_for_all_its_pieces_in_order() -> None:
    (merged,) = made(Piece(0, update(a=1)), Piece(2, update(b=2)), Piece(3, TRACK))
    assert merged.refs == (Ref(0, "contacts"), Ref(2, "contacts"), Ref(3, "events"))
    assert merged.body == b'{"eventName":"E","userId":"u1","a":1,"b":2}'
    assert merged.key == key(3)


def test_a_merged_event_that_was_refused_goes_by_itself_under_another_key() -> None:
    (merged,) = made(Piece(0, update(a=1)), Piece(1, update(b=2)), Piece(2, TRACK))
    updates, event = merged.parts
    assert (updates.refs, updates.key) == ((Ref(0, "contacts"), Ref(1, "contacts")), None)
    assert (event.refs, event.body, event.key) == (
        (Ref(2, "events"),),
        b'{"eventName":"E","userId":"u1"}',
        key(2, apart="apart"),
    )
    assert (event,) == tuple(made(Piece(2, TRACK, apart="event"))), "whoever plans it again uses the same key"
    assert [part.refs for part in updates.parts] == [(Ref(0, "contacts"),), (Ref(1, "contacts"),)]


def test_the_updates_that_were_folded_into_an_event_can_be_sent_without_it() -> None:
    (merged,) = made(Piece(0, update(a=1)), Piece(1, update(b=2)), Piece(2, TRACK))
    (updates,) = merged.updates()
    assert (updates.method, updates.path, updates.key) == ("PUT", "/contacts/update", None)
    assert (updates.refs, updates.body) == ((Ref(0, "contacts"), Ref(1, "contacts")), b'{"userId":"u1","a":1,"b":2}')


def test_merged_updates_have_no_event_that_could_have_been_sent_before() -> None:
    (merged,) = made(Piece(0, update(a=1)), Piece(1, update(b=2)))
    assert (merged.key, merged.updates()) == (None, ())
