"""Fewer requests for the same effect: neighbouring updates of one contact become one, an update folds into an event.

Pure. Two requests are merged only where the merged one leaves the contact as both in order would, and where Loops would
refuse it if it refused one of them. Otherwise a value that Loops ignores or refuses could hide one that it takes, or the
other way round:

- they name the same contact: the same userId, and the later one no email that the earlier one does not have. A null or
  empty email counts as none, as it does for Loops (docs/loops.md#finding-the-contact);
- neither has a value that Loops is known to refuse, as only a destination with `values: keep` sends them;
- a property of both has values of one kind, such as two numbers or two dates: of another kind than the property's, Loops
  may ignore a value (docs/loops.md#properties);
- the later one does not change `subscribed` after the earlier one joined a list, and does not join a list that the
  earlier one left: Loops adds nobody to a list who is unsubscribed or has left it (docs/loops.md#mailing-lists), so
  two requests take a member off the list that one merged request would leave on it;
- folded into an event, no contact property is named like a field of the event itself.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from segue_worker.config.model import Coalesce
from segue_worker.mapping.request import Request

_EVENT_FIELDS: Final = frozenset({"eventName", "eventProperties"})
_MERGED_AT_MOST: Final = 100
_DATES_BELOW_MS: Final = 1e14
_NO_NUMBER_BEGINS_SO: Final = frozenset("abcdefghjklmopqrstuvwxyzABCDEFGHJKLMOPQRSTUVWXYZ")
"""Nor does a date; asking `float` costs ten times as much. Infinity and NaN begin with what is left out here."""
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{3})?)?(Z|[+-]\d{2}:\d{2})?)?$", re.ASCII)


class Piece(NamedTuple):
    """One request as a mapping made it, of one event.

    Attributes:
        event: place of the event among those at hand.
        request: the request.
        apart: which part it is of what was taken apart, because a request that it was merged into was refused; "" where
            it was not. An update is merged only with others of its part, an event with nothing.
    """

    event: int
    request: Request
    apart: str = ""


class MergedPieces(NamedTuple):
    """One request to send, and the pieces it stands for, in order."""

    request: Request
    pieces: tuple[Piece, ...]


def coalesce(pieces: Iterable[Piece], mode: Coalesce = "updates") -> list[MergedPieces]:
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
            growing.append(_Growing(piece.request, piece.request.body, [piece], piece.apart))
    return [group.grown() for group in growing]


def apart(group: MergedPieces) -> list[MergedPieces]:
    """What is sent in place of a merged group that Loops refused, in order: the event by itself, the updates by halves.

    One refused update among many is then found with few requests, and the contact is never taken back to older values.
    """
    pieces = group.pieces
    if group.request.action == "sendEvent":
        event = pieces[-1]
        return [*coalesce(pieces[:-1]), MergedPieces(event.request, (event._replace(apart="event"),))]
    half = len(pieces) // 2
    return [*coalesce(pieces[:half]), *coalesce(pieces[half:])]


@dataclass(slots=True)
class _Growing:
    """A group that may still take the piece that follows.

    Attributes:
        request: its last piece's.
        body: of all of them together.
        pieces: in order.
        apart: theirs.
    """

    request: Request
    body: dict[str, Any]
    pieces: list[Piece]
    apart: str

    def takes(self, piece: Piece, mode: Coalesce) -> bool:
        """Take one more piece, if it may be merged. Returns whether it was."""
        before, request = self.request, piece.request
        if mode == "off" or before.action != "createOrUpdateContact" or len(self.pieces) >= _MERGED_AT_MOST:
            return False
        earlier, later = self.body, request.body
        folding = request.action == "sendEvent"
        if folding and (mode != "updates_into_events" or piece.apart or not _EVENT_FIELDS.isdisjoint(earlier)):
            return False
        if (
            piece.apart != self.apart
            or request.kept
            or before.kept
            or not (_same_contact(earlier, later) and _same_kinds(earlier, later))
        ):
            return False
        lists = _lists(earlier)
        if lists and (_changes_subscription(lists, later) or _joins_again(lists, _lists(later))):
            return False
        # A later email that is null or empty says nothing.
        said = later if later.get("email") else {key: value for key, value in later.items() if key != "email"}
        # An event keeps the order of its own keys; in both cases what the later request says counts.
        if folding:
            self.body = said | (earlier | said)
        elif len(self.pieces) > 1:
            earlier.update(said)
        else:
            # The first one's own body belongs to its request.
            self.body = earlier | said
        if lists:
            self.body["mailingLists"] = lists | _lists(later)
        self.request = request
        self.pieces.append(piece)
        return True

    def grown(self) -> MergedPieces:
        """The group, when nothing more is to come."""
        request = self.request
        if len(self.pieces) > 1:
            request = request._replace(body=self.body)
        return MergedPieces(request, tuple(self.pieces))


def _lists(body: dict[str, Any]) -> dict[str, Any]:
    lists = body.get("mailingLists")
    return lists if isinstance(lists, dict) else {}


def _same_contact(earlier: dict[str, Any], later: dict[str, Any]) -> bool:
    if earlier.get("userId") != later.get("userId"):
        return False
    one, other = earlier.get("email"), later.get("email")
    # In Python True is 1.
    return one == other and type(one) is type(other) if other else bool(earlier.get("userId"))


def _same_kinds(earlier: dict[str, Any], later: dict[str, Any]) -> bool:
    get = earlier.get
    for key, value in later.items():
        one = get(key, value)
        # Nearly all values are the same as before.
        if one is value or (one == value and one.__class__ is value.__class__) or key == "email":
            continue
        if key == "mailingLists" and isinstance(value, dict) and isinstance(one, dict):
            if not _same_kinds(one, value):
                return False
        elif _kind(one) != _kind(value):
            return False
    return True


def _kind(value: Any) -> str:
    """The kind of a value: values of one kind are taken, ignored or refused alike by a property of any type."""
    kind = value.__class__
    if kind is str:
        return _kind_of_text(value)
    if kind is int or kind is float:
        return "milliseconds" if -_DATES_BELOW_MS < value < _DATES_BELOW_MS and value == int(value) else "number"
    return str(kind.__name__)


def _kind_of_text(text: str) -> str:
    if text in {"true", "false"}:
        return "boolean text"
    if text[:1] in _NO_NUMBER_BEGINS_SO:
        return "text"
    try:
        number = float(text)
    except ValueError:
        return "date" if _is_date(text) else "text"
    return "milliseconds text" if text.isdigit() and number < _DATES_BELOW_MS else "number text"


def _is_date(text: str) -> bool:
    if not _DATE.match(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _changes_subscription(lists: dict[str, Any], later: dict[str, Any]) -> bool:
    return "subscribed" in later and any(lists.values())


def _joins_again(earlier: dict[str, Any], later: dict[str, Any]) -> bool:
    return any(later.get(key) and not value for key, value in earlier.items())
