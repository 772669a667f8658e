"""Compares what was sent with what Loops knows. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from segue_worker.schema.known import Known
from segue_worker.schema.sent import FULL, KeyKind, SentKey, inside, key_of

Standing = Literal["ok", "unknown", "type differs", "not asked"]
FITS: Final = {"string": "sd", "number": "nm", "boolean": "b", "date": "dm"}
"""Loops' type → letters of `SentKey.types` that it takes (docs/loops.md#properties)."""
_NAMED: Final = {"s": "string", "d": "date", "n": "number", "m": "number", "b": "boolean"}


@dataclass(frozen=True, slots=True)
class Row:
    """A name that was sent.

    Attributes:
        kind: of what.
        name: long ones shortened.
        key: the one of `key_of`.
        event: of an event's property: the event.
        sent_type: as Loops calls them, and several with commas.
        loops_type: "" where it has none.
        status: `not asked`: Loops has not been asked, or did not answer.
        last_sent: minutes since 1970.
        times: how many events had it.
        mapping: digest of its last mapping.
    """

    kind: KeyKind
    name: str
    key: str
    event: str
    sent_type: str
    loops_type: str
    status: Standing
    last_sent: int
    times: int
    mapping: str

    def to_dict(self) -> dict[str, Any]:
        """What `segue schema --json` says of a property."""
        types = {"sent_type": self.sent_type, "loops_type": self.loops_type or None}
        return {"name": self.name, **types, "status": self.status, "last_sent": self.last_text, "count": self.times}

    @property
    def last_text(self) -> str:
        """When it was sent last, to the minute."""
        return datetime.fromtimestamp(self.last_sent * 60, UTC).strftime("%Y-%m-%dT%H:%MZ")

    @property
    def told(self) -> str:
        """What is said of it, with what to do, where its status is no good one."""
        what = f"property {self.name!r} of event {self.event!r}" if self.event else f"{self.kind} {self.name!r}"
        if self.status == "type differs":
            return f"{what}: Loops has a {self.loops_type} and {self.sent_type} was sent; correct the mapping"
        make = {"list": "make it at Loops (Settings, Lists)", "event": "define it at Loops (Settings, Events)"}
        makes = "`segue schema --create` makes it" if type_to_make(self) else "make it at Loops"
        advice = make.get(self.kind, makes)
        return f"{what}: Loops does not know it; correct the mapping, or {advice}"


def compare(sent: Mapping[str, SentKey], known: Known) -> list[Row]:
    """A row for each name that was sent, by kind and name; an event's properties behind it."""
    types: dict[str, str] = {key_of("property", name): kind for name, kind in known.properties.items()}
    types |= {key_of("list", name): "boolean" for name in known.lists}
    asked = {"p", "l"} if known.at else set()
    for name, properties in known.events.items():
        asked |= {key_of("event", name), inside(name)}
        if properties is not None:
            types[key_of("event", name)] = ""
            types |= {key_of("event", each, name): kind for each, kind in properties.items()}
    return [_row(key, entry, types, asked) for key, entry in sorted(sent.items()) if key != FULL]


def _row(key: str, entry: SentKey, types: Mapping[str, str], asked: set[str]) -> Row:
    kinds: dict[str, KeyKind] = {"p": "property", "l": "list", "e": "event"}
    kind, (event, inner, name) = kinds[key[0]], key[1:].partition("\n")
    loops_type = types.get(key, "")
    status: Standing = "ok"
    if (f"e{event}{inner}" if kind == "event" else key[0]) not in asked:
        status = "not asked"
    elif key not in types:
        status = "unknown"
    elif set(entry.types) - set(FITS.get(loops_type, entry.types)):
        status = "type differs"
    sent_type = ", ".join(dict.fromkeys(_NAMED[letter] for letter in entry.types if letter in _NAMED))
    within = (event, name) if inner else ("", event)
    return Row(kind, within[1], key, within[0], sent_type, loops_type, status, entry.minute, entry.times, entry.mapping)


def type_to_make(row: Row) -> str:
    """With which Loops type an unknown contact property can be made for what was sent: text where it was of several.

    "" where it cannot be: its name is only known shortened, or nothing was sent but null, objects and lists.
    """
    if row.kind != "property" or row.status != "unknown" or "…" in row.name:
        return ""
    types = row.sent_type.split(", ")
    return types[0] if len(types) == 1 else "string"


def faults(rows: list[Row]) -> list[Row]:
    """Those that Loops does not know, or knows with another type."""
    return [row for row in rows if row.status in ("unknown", "type differs")]


def to_dict(destination: str, rows: list[Row], known: Known) -> dict[str, Any]:
    """The form of `segue schema --json`."""
    events = [row for row in rows if row.kind == "event"]
    return {
        "destination": destination,
        "properties": [row.to_dict() for row in rows if row.kind == "property"],
        "lists": [{"id": row.name, "status": row.status} for row in rows if row.kind == "list"],
        "events": [
            {"name": row.name, "status": row.status, "properties": [each.to_dict() for each in _inside(row, events)]}
            for row in events
            if not row.event
        ],
        "problem": known.problem,
    }


def _inside(event: Row, rows: list[Row]) -> Iterator[Row]:
    return (row for row in rows if row.event and row.key.startswith(inside(event.name)))
