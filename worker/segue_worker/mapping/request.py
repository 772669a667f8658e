"""Requests to Loops, and the bytes of their bodies."""

from typing import Any, Literal, NamedTuple

from segue_worker.mapping import json_text
from segue_worker.mapping.fields import ActionName
from segue_worker.mapping.values import Repair


class Request(NamedTuple):
    """The request that a mapping makes of an event, before it is given an Idempotency-Key.

    Attributes:
        mapping: the mapping's name.
        action: the mapping's action.
        method: HTTP method.
        path: below the destination's base URL, as `/contacts/update`.
        body: a JSON object with its keys in Segment's order (except integer-like keys, see `encode_body`). The object
            belongs to the request; values within it may belong to the event, so treat them as read-only.
        repairs: what was done about values that Loops would refuse.
        kept: what would have been done, where the destination sends values as they are.
    """

    mapping: str
    action: ActionName
    method: Literal["PUT", "POST"]
    path: str
    body: dict[str, Any]
    repairs: tuple[Repair, ...] = ()
    kept: tuple[Repair, ...] = ()


def encode_body(body: dict[str, Any]) -> bytes:
    """Serialise a body as Segment's JavaScript does (docs/segment.md#json-as-javascript-writes-it).

    Compact UTF-8; numbers in JavaScript's spelling; integer-like keys of every object first, ascending.
    """
    return json_text.encode_bytes(body)
