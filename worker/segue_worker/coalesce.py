"""Fewer requests for the same effect: neighbouring updates of one contact become one, an update folds into an event.

Pure. Two requests are merged only where sending the merged one leaves the contact as sending both in order would:

- they name the same contact: the same userId, and no two different emails;
- the later one does not change `subscribed` after the earlier one joined a list, and does not join a list that the
  earlier one left (Loops adds nobody to a list who is unsubscribed or has left it, loops-sandbox-rules 6.5 and 6.6:
  who is on the list stays on it by one request, and is off it by two);
- folded into an event, no contact property is named like a field of the event itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from segue_worker.mapping.request import Request

Mode = Literal["off", "updates", "updates_into_events"]

_EVENT_FIELDS: Final = frozenset({"eventName", "eventProperties"})
_MERGED_AT_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class Piece:
    """One request as a mapping made it, of one event.

    Attributes:
        event: place of the event among those at hand.
        request: the request.
    """

    event: int
    request: Request


@dataclass(frozen=True, slots=True)
class Group:
    """One request to send, and the pieces it stands for, in order."""

    request: Request
    pieces: tuple[Piece, ...]


def coalesce(pieces: Iterable[Piece], mode: Mode) -> list[Group]:
    """Group the pieces of one contact, in order.

    Args:
        pieces: the contact's requests, oldest first.
        mode: `off`, `updates` (merge neighbouring updates), or `updates_into_events` (and fold them into the event
            that follows).

    Returns:
        what to send, in order. The pieces of all groups, put together, are the pieces given.
    """
    groups: list[Group] = []
    for piece in pieces:
        last = groups[-1] if groups else None
        merged = None if last is None else _merge(last, piece, mode)
        if merged is None:
            groups.append(Group(piece.request, (piece,)))
        else:
            groups[-1] = merged
    return groups


def apart(group: Group) -> list[Group]:
    """The group's pieces as groups of their own."""
    return [Group(piece.request, (piece,)) for piece in group.pieces]


def _merge(group: Group, piece: Piece, mode: Mode) -> Group | None:
    earlier, later = group.request, piece.request
    if mode == "off" or earlier.action != "createOrUpdateContact" or len(group.pieces) >= _MERGED_AT_MOST:
        return None
    folding = later.action == "sendEvent"
    if folding and (mode != "updates_into_events" or not _EVENT_FIELDS.isdisjoint(earlier.body)):
        return None
    if not _same_contact(earlier.body, later.body):
        return None
    lists = _lists(earlier.body)
    if lists and (_changes_subscription(lists, later.body) or _joins_again(lists, _lists(later.body))):
        return None
    # An event keeps the order of its own keys; in both cases what the later request says counts.
    body = later.body | (earlier.body | later.body) if folding else earlier.body | later.body
    if lists:
        body["mailingLists"] = lists | _lists(later.body)
    request = Request(later.mapping, later.action, later.method, later.path, body)
    return Group(request, (*group.pieces, piece))


def _lists(body: dict[str, Any]) -> dict[str, Any]:
    lists = body.get("mailingLists")
    return lists if isinstance(lists, dict) else {}


def _same_contact(earlier: dict[str, Any], later: dict[str, Any]) -> bool:
    if earlier.get("userId") != later.get("userId"):
        return False
    one, other = earlier.get("email"), later.get("email")
    # By their texts, because in Python True is 1.
    return repr(one) == repr(other) if one and other else bool(one or other or earlier.get("userId"))


def _changes_subscription(lists: dict[str, Any], later: dict[str, Any]) -> bool:
    return "subscribed" in later and any(lists.values())


def _joins_again(earlier: dict[str, Any], later: dict[str, Any]) -> bool:
    return any(later.get(key) and not value for key, value in earlier.items())
