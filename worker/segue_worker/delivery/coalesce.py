"""Fewer requests for the same effect: neighbouring updates of one contact become one, an update folds into an event.

Pure. Two requests are merged only where sending the merged one leaves the contact as sending both in order would:

- they name the same contact: the same userId, and no two different emails;
- the later one does not change `subscribed` after the earlier one joined a list, and does not join a list that the
  earlier one left: Loops adds nobody to a list who is unsubscribed or has left it (docs/loops.md#mailing-lists), so
  two requests take a member off the list that one merged request would leave on it;
- folded into an event, no contact property is named like a field of the event itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from segue_worker.mapping.request import Request

Mode = Literal["off", "updates", "updates_into_events"]

_EVENT_FIELDS: Final = frozenset({"eventName", "eventProperties"})
_MERGED_AT_MOST: Final = 100


class Piece(NamedTuple):
    """One request as a mapping made it, of one event.

    Attributes:
        event: place of the event among those at hand.
        request: the request.
    """

    event: int
    request: Request


class Group(NamedTuple):
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
    growing: list[_Growing] = []
    for piece in pieces:
        if not growing or not growing[-1].takes(piece, mode):
            growing.append(_Growing(piece.request, piece.request.body, [piece]))
    return [group.grown() for group in growing]


def apart(group: Group) -> list[Group]:
    """The group's pieces as groups of their own."""
    return [Group(piece.request, (piece,)) for piece in group.pieces]


@dataclass(slots=True)
class _Growing:
    """A group that may still take the piece that follows.

    Attributes:
        request: its last piece's.
        body: of all of them together.
        pieces: in order.
    """

    request: Request
    body: dict[str, Any]
    pieces: list[Piece]

    def takes(self, piece: Piece, mode: Mode) -> bool:
        """Take one more piece, if it may be merged. Returns whether it was."""
        earlier, later = self.body, piece.request.body
        if mode == "off" or self.request.action != "createOrUpdateContact" or len(self.pieces) >= _MERGED_AT_MOST:
            return False
        folding = piece.request.action == "sendEvent"
        if folding and (mode != "updates_into_events" or not _EVENT_FIELDS.isdisjoint(earlier)):
            return False
        lists = _lists(earlier)
        if not _same_contact(earlier, later) or (
            lists and (_changes_subscription(lists, later) or _joins_again(lists, _lists(later)))
        ):
            return False
        # An event keeps the order of its own keys; in both cases what the later request says counts.
        self.body = later | (earlier | later) if folding else earlier | later
        if lists:
            self.body["mailingLists"] = lists | _lists(later)
        self.request = piece.request
        self.pieces.append(piece)
        return True

    def grown(self) -> Group:
        """The group, when nothing more is to come."""
        request = self.request
        if len(self.pieces) > 1:
            request = Request(request.mapping, request.action, request.method, request.path, self.body)
        return Group(request, tuple(self.pieces))


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
