"""Entries of an outbox: an event's JSON, a space, and the unix ms at which it was enqueued, in 11 hexadecimal digits."""

from typing import Final

_LENGTH: Final = 12


def entry_stamp(unix_ms: int) -> bytes:
    """What follows an event's JSON in an outbox. Compact, because it stands behind every event that waits."""
    return b" %011x" % unix_ms


def read_stamp(entry: bytes) -> tuple[bytes, int]:
    """The JSON of an entry, and the unix ms at which it was enqueued; 0 where the entry does not say so."""
    stamp = entry[-_LENGTH:]
    if stamp[:1] != b" " or not stamp[1:].isalnum():
        return entry, 0
    try:
        return entry[:-_LENGTH], int(stamp, 16)
    except ValueError:
        return entry, 0
