"""Values that Loops is known, or expected, to refuse in a request, and what becomes of them (docs/loops.md#values).

Segment sends such requests all the same. Here what can be written in another form without loss is *repaired*, and what
cannot be is *left out*, event by event and before anything is merged, so that one bad value spoils nothing else.
"""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from segue_worker.mapping import json_text
from segue_worker.mapping.coercion import is_address
from segue_worker.mapping.fields import ActionName
from segue_worker.mapping.javascript import number_text
from segue_worker.mapping.loops_dates import (
    RECENT_SECONDS,
    as_date,
    in_documented_form,
    is_documented,
    may_be_seconds,
)
from segue_worker.mapping.mailing_lists import subscriptions
from segue_worker.mapping.undefined import UNDEFINED

Values = Literal["repair", "refuse", "keep"]
"""What a destination does with values that Loops refuses. `refuse`: what would be left out makes a dead letter."""
RepairFate = Literal["repaired", "left out", "noticed"]


class RepairRule(NamedTuple):
    """What Loops does not take, and what is done about it.

    Attributes:
        fate: what becomes of the value; `noticed`: it is sent as it is.
        why: for people, without a full stop.
        source: the heading of docs/loops.md that says so.
    """

    fate: RepairFate
    why: str
    source: str


_MAX_LENGTH: Final = 500
"""Characters that the JSON text of a key or value may have, with its quotes."""

RULES: Final[Mapping[str, RepairRule]] = MappingProxyType(
    {
        "long": RepairRule("left out", f"the value is longer than {_MAX_LENGTH} characters, quotes included", "bodies"),
        "long key": RepairRule("left out", f"the key is longer than {_MAX_LENGTH} characters, quotes included", "bodies"),
        "reserved": RepairRule("left out", "Loops keeps this name for itself", "bodies"),
        "address": RepairRule("left out", "it is not an email address", "bodies"),
        "object": RepairRule("left out", "a property cannot hold an object; @flatten or @json in the mapping keeps it", "properties"),
        "list": RepairRule("left out", "a property cannot hold a list; @json in the mapping keeps it", "properties"),
        "text": RepairRule("repaired", "Loops holds text here: written as text", "properties"),
        "boolean": RepairRule("repaired", "Loops expects true or false here: converted from text", "properties"),
        "no boolean": RepairRule("left out", "Loops holds only true or false here", "properties"),
        "no text": RepairRule("left out", "Loops wants text here", "properties"),
        "date": RepairRule("repaired", "a date in a form that Loops does not document: written in one that it does", "properties"),
        "unit": RepairRule("repaired", "a date in another unit than milliseconds: converted", "properties"),
        "no date": RepairRule("left out", "Loops expects a date here, and this is not one", "properties"),
        "seconds": RepairRule("noticed", "looks like a date in seconds; for a date, Loops wants milliseconds", "properties"),
        "unknown": RepairRule("noticed", "Loops does not know it", "properties"),
        "no object": RepairRule("left out", "Loops wants an object here", "events"),
        "choices": RepairRule("repaired", "mailing lists must be an object of true and false: converted", "mailing-lists"),
        "lists": RepairRule("left out", "a mailing list is joined by true and left by false, nothing else", "mailing-lists"),
    }
)  # fmt: skip
"""All that Segue does about values, by name. The names are kept in the log."""


class Repair(NamedTuple):
    """A value of a request about which something was done.

    Attributes:
        key: its place in the body, as `address` or `eventProperties.bio`; long ones shortened.
        rule: which of `RULES`.
    """

    key: str
    rule: str

    @property
    def fate(self) -> RepairFate:
        """What became of the value."""
        return RULES[self.rule].fate

    @property
    def why(self) -> str:
        """The reason for people, with what became of the value."""
        return why_of(self.rule)


def why_of(rule: str) -> str:
    """The reason that a rule gives, with what became of the value; the rule's name where another version had it."""
    if rule not in RULES:
        return rule
    fate, why, _ = RULES[rule]
    return why if fate == "repaired" else f"{fate}: {why}"


_Kind = Literal["text", "address", "boolean", "date", "reserved", "properties", "lists", "name"]
_CONTACT: Final[dict[str, _Kind]] = {
    "email": "address",
    "mailingLists": "lists",
    "subscribed": "boolean",
    "createdAt": "date",
    **dict.fromkeys(("userId", "firstName", "lastName", "source", "userGroup"), "text"),
    **dict.fromkeys(("id", "listId", "softDeleteAt", "teamId", "updatedAt"), "reserved"),
}
_KINDS: Final[Mapping[ActionName, Mapping[str, _Kind]]] = {
    "createOrUpdateContact": _CONTACT,
    "sendEvent": {**_CONTACT, "eventName": "name", "eventProperties": "properties"},
}
"""Keys of a body for whose values Loops documents a type."""
_FREE: Final[dict[str, _Kind]] = {}

_CERTAIN_BELOW: Final = _MAX_LENGTH // 6 - 2
"""An escape has at most six characters, so a shorter text need not be encoded to know that it is short enough."""
_SHORTEST_MOMENT: Final = len("2026-01-02T03:04")
_JAVASCRIPT_MOMENT: Final = len("2026-01-02T03:04:05.678Z")
_SECONDS_FROM, _SECONDS_BELOW = RECENT_SECONDS.start, RECENT_SECONDS.stop
_SHOWN: Final = 40


def repair(body: dict[str, Any], action: ActionName, *, address: str = "") -> tuple[dict[str, Any], tuple[Repair, ...]]:
    """Make of a request's body one that Loops is not known to refuse for a value.

    Looked at are the keys and values of the body, of `eventProperties` and of `mailingLists`.

    Args:
        body: a JSON object.
        action: whose body it is.
        address: an email that was checked before, which saves checking it again.

    Returns:
        the body, itself where nothing had to be changed and never changed in place; and what was done, in its order.
    """
    kinds = _KINDS[action]
    doubtful = _in_doubt(body, kinds, address)
    if not doubtful:
        return body, ()
    repairs: list[Repair] = []
    repaired = _repaired(body, kinds, "", doubtful, repairs)
    return (repaired, tuple(repairs)) if repairs else (body, ())


def _in_doubt(fields: dict[str, Any], kinds: Mapping[str, _Kind], address: str = "") -> list[str]:
    """The keys that need more than a glance, themselves or for their values.

    Of nearly every body there are none, so this is what a request costs: one loop without calls, in which the usual comes
    first.
    """
    kind_of, doubtful = kinds.get, []
    for key, value in fields.items():
        kind, type_ = kind_of(key), value.__class__
        if kind is None:
            if type_ is str:
                fits = len(value) < _SHORTEST_MOMENT or (len(value) <= _CERTAIN_BELOW and not _is_odd_date(value))
            elif type_ is int or type_ is float:
                fits = not _SECONDS_FROM <= value < _SECONDS_BELOW
            else:
                fits = type_ is not dict and type_ is not list
            fits = fits and len(key) <= _CERTAIN_BELOW
        elif kind == "text":
            fits = type_ is str and len(value) <= _CERTAIN_BELOW
        elif value is address and kind == "address":
            fits = len(value) <= _CERTAIN_BELOW
        else:
            fits = _FITTING[kind](value)
        if not fits:
            doubtful.append(key)
    return doubtful


def _is_odd_date(text: str) -> bool:
    if text[4] != "-" or text[7] != "-":
        return False
    # What JavaScript writes is seen without the pattern, which is slow.
    return not (len(text) == _JAVASCRIPT_MOMENT and text[19] == "." and text[23] == "Z") and not is_documented(text)


def _is_short(value: Any) -> bool:
    return value.__class__ is str and len(value) <= _CERTAIN_BELOW


def _are_choices(lists: dict[str, Any]) -> bool:
    for key, item in lists.items():  # noqa: SIM110 - `all` with a generator takes four times as long
        if item.__class__ is not bool or len(key) > _CERTAIN_BELOW:
            return False
    return True


_FITTING: Final[Mapping[str, Callable[[Any], bool]]] = {
    "address": lambda value: _is_short(value) and (not value or is_address(value) is not None),
    "name": lambda value: _is_short(value) and not value.isspace() and value != "",
    "boolean": lambda value: value.__class__ is bool,
    "date": lambda value: value.__class__ is str and as_date(value) == value,
    "reserved": lambda _: False,
    "properties": lambda value: value.__class__ is dict and not _in_doubt(value, _FREE),
    "lists": lambda value: value == {} or (value.__class__ is dict and _are_choices(value)),
}


def _repaired(
    fields: dict[str, Any], kinds: Mapping[str, _Kind], inside: str, doubtful: Collection[str], repairs: list[Repair]
) -> dict[str, Any]:
    doubtful = frozenset(doubtful)
    sound: dict[str, Any] = {}
    for key, value in fields.items():
        if key not in doubtful:
            sound[key] = value
            continue
        shown = inside + (key if len(key) <= _SHOWN else f"{key[:_SHOWN]}…")
        kind = kinds.get(key)
        if kind == "properties" and isinstance(value, dict):
            sound[key] = _repaired(value, _FREE, f"{key}.", _in_doubt(value, _FREE), repairs)
            continue
        if kind == "lists":
            choices = subscriptions(value)
            if not isinstance(value, (dict, list)) or len(choices) < len(value):
                repairs.append(Repair(shown, "lists"))
            elif choices != value:
                repairs.append(Repair(shown, "choices"))
            sound[key] = _repaired(choices, _FREE, f"{key}.", choices, repairs)
            continue
        becomes, rule = _judged(key, value, kind)
        if rule:
            repairs.append(Repair(shown, rule))
        if becomes is not UNDEFINED:
            sound[key] = becomes
    return sound


def _judged(key: str, value: Any, kind: _Kind | None) -> tuple[Any, str]:
    """What is sent of a value (`UNDEFINED`: nothing), and which rule says so, or ""."""
    if _is_long(key):
        return UNDEFINED, "long key"
    if isinstance(value, (dict, list)):
        return UNDEFINED, "object" if isinstance(value, dict) else "list"
    if _is_long(value):
        return UNDEFINED, "long"
    if kind is not None:
        return _JUDGES[kind](value)
    if isinstance(value, str) and (text := in_documented_form(value)) != value:
        return text, "date"
    return value, "seconds" if may_be_seconds(key, value) else ""


def _text(value: Any) -> tuple[Any, str]:
    if value is None or isinstance(value, str):
        return value, ""
    return ("true" if value else "false") if isinstance(value, bool) else number_text(value), "text"


def _name(value: Any) -> tuple[Any, str]:
    return _text(value) if value is not None and str(value).strip() else (UNDEFINED, "no text")


def _address(value: Any) -> tuple[Any, str]:
    fits = value is None or (isinstance(value, str) and (not value or is_address(value)))
    return (value, "") if fits else (UNDEFINED, "address")


def _boolean(value: Any) -> tuple[Any, str]:
    if isinstance(value, bool):
        return value, ""
    return (value == "true", "boolean") if value in ("true", "false") else (UNDEFINED, "no boolean")


def _date(value: Any) -> tuple[Any, str]:
    date = None if isinstance(value, bool | None) else as_date(value)
    if date is None:
        return (value, "") if value is None else (UNDEFINED, "no date")
    if date == value:
        return value, ""
    return date, "unit" if isinstance(value, (int, float)) or value.lstrip("-").isdigit() else "date"


_JUDGES: Final[Mapping[_Kind, Callable[[Any], tuple[Any, str]]]] = {
    "text": _text,
    "address": _address,
    "name": _name,
    "boolean": _boolean,
    "date": _date,
    "reserved": lambda _: (UNDEFINED, "reserved"),
    "properties": lambda _: (UNDEFINED, "no object"),
}


def _is_long(value: Any) -> bool:
    """Measure the JSON text."""
    if isinstance(value, str) and len(value) <= _CERTAIN_BELOW:
        return False
    return len(json_text.encode(value)) > _MAX_LENGTH
