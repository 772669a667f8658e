"""Entries of an outbox: an event's JSON without its `type`, a letter for that, and when it was enqueued.

The letter is `i` for identify and `t` for track, so an entry is no longer than the event's JSON, or hardly. The time is in unix
ms, in 11 hexadecimal digits. Earlier versions wrote the JSON with its `type`, and a space in the letter's place.

A messageId belongs to its source: backend services together are one, every write key of the Tracking API is its own. Where
the source is a write key, its digest stands before the letter, behind a space of its own. Behind that stands, in the same way,
the `traceparent` of an event that was enqueued within a span (`segue_producer.tracing`).
"""

import hashlib
import re
from typing import Final

_LENGTH: Final = 12
_LETTERS: Final = {"identify": b"i", "track": b"t"}
_BEGINNINGS: Final = {"identify": b'{"type":"identify",', "track": b'{"type":"track",'}
_BEGINNINGS_BY_LETTER: Final = {letter: _BEGINNINGS[kind] for kind, letter in _LETTERS.items()}
_IDENTITY: Final = re.compile(r"([0-9a-f]{16})\0(.*)", re.DOTALL)
_TRACE: Final = re.compile(rb" ([0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})\Z")
BACKEND: Final = ""
"""The source of what backend services enqueue, with a Producer or by a task."""


def source_of(write_key: str) -> str:
    """The source of what comes with a write key: 16 hexadecimal digits, from which nobody gets the key."""
    return hashlib.blake2b(write_key.encode(), digest_size=8, person=b"segue source").hexdigest()


def identity(source: str, message_id: str) -> str:
    """What an event is known by: its messageId, within its source. A backend's is the messageId itself."""
    return f"{source}\0{message_id}" if source else message_id


def split_identity(known_by: str) -> tuple[str, str]:
    """Source and messageId of what `identity` made."""
    found = _IDENTITY.fullmatch(known_by)
    return (found[1], found[2]) if found else (BACKEND, known_by)


def entry_stamps(unix_ms: int) -> dict[str, bytes]:
    """What ends an entry, by the type of its event. Compact, because it stands behind every event that waits."""
    return {kind: b"%b%011x" % (letter, unix_ms) for kind, letter in _LETTERS.items()}


def with_type(kind: str, text: bytes) -> bytes:
    """The JSON of an event, given its type and its JSON without it."""
    return _BEGINNINGS[kind] + text[1:]


def read_stamp(entry: bytes) -> tuple[bytes, int]:
    """The JSON of an entry, and the unix ms at which it was enqueued; 0 where the entry does not say so."""
    letter, digits = entry[-_LENGTH : 1 - _LENGTH], entry[1 - _LENGTH :]
    beginning = _BEGINNINGS_BY_LETTER.get(letter)
    if not digits.isalnum() or not (beginning or letter == b" "):
        return entry, 0
    try:
        enqueued = int(digits, 16)
    except ValueError:
        return entry, 0
    return (beginning + entry[1:-_LENGTH] if beginning else entry[:-_LENGTH]), enqueued


def read_trace(json: bytes) -> tuple[bytes, str]:
    """What `read_stamp` returned, without the `traceparent`, and that; "" where there is none."""
    # Nothing else ends so: the JSON ends with a brace, and a source is hexadecimal.
    if json[-3:-2] != b"-" or not (found := _TRACE.search(json)):
        return json, ""
    return json[: found.start()], found[1].decode()


def read_source(json: bytes) -> tuple[bytes, str]:
    """What `read_trace` returned, as the event's JSON and its source."""
    if json[-1:] == b"}":
        return json, BACKEND
    event, _, source = json.rpartition(b" ")
    return (event, source.decode()) if event[-1:] == b"}" and source.isalnum() else (json, BACKEND)
