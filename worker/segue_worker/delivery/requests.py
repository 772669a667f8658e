"""Makes the request that is sent from what mappings made, merged or not, with its Idempotency-Key. Pure."""

import hashlib
from collections.abc import Sequence
from typing import Final

from segue_worker.delivery.coalesce import MergedPieces, apart, coalesce
from segue_worker.mapping.request import encode_body
from segue_worker.outbox.entry import Waiting
from segue_worker.outbox.outgoing import Outgoing, Ref

EVENTS_PATH: Final = "/events/send"


def idempotency_key(destination: str, mapping: str, message_id: str, variant: str = "") -> str:
    """The Idempotency-Key of an event: 38 characters, the same for every attempt (docs/design.md#the-invariants).

    Args:
        destination: name of the destination.
        mapping: name of the mapping.
        message_id: of the event, within its source (`segue_producer.entries.identity`).
        variant: sets a deliberate second sending apart from the first.
    """
    parts = f"{destination}\0{mapping}\0{message_id}\0{variant}".encode("utf-8", "surrogatepass")
    return "segue-" + hashlib.blake2b(parts, digest_size=16).hexdigest()


def outgoing(group: MergedPieces, events: Sequence[Waiting], destination: str) -> Outgoing:
    """Make the request of a group.

    Args:
        group: pieces that go in one request.
        events: those that the pieces' places refer to.
        destination: whose keys it has, unless the event says that it may have been sent under another name.
    """
    request, last = group.request, group.pieces[-1]
    key = None
    if request.path == EVENTS_PATH:
        event = events[last.event]
        variant = event.replay + ("apart" if last.apart else "")
        # A refused merge has taken no effect, so its event goes again under a key of its own; were it the same key, a
        # Loops that spends keys on refused requests would answer 409 and the event be lost.
        key = idempotency_key(event.origin or destination, last.request.mapping, event.identity, variant)
    refs = tuple(Ref(piece.event, piece.request.mapping) for piece in group.pieces)
    fields = request.method, request.path, encode_body(request.body), key, refs
    if len(group.pieces) == 1:
        return Outgoing(*fields)

    def parts() -> tuple[Outgoing, ...]:
        return tuple(outgoing(part, events, destination) for part in apart(group))

    def updates() -> tuple[Outgoing, ...]:
        folded = group.pieces[:-1] if request.path == EVENTS_PATH else ()
        return tuple(outgoing(part, events, destination) for part in coalesce(folded))

    return Outgoing(*fields, parts, updates)
