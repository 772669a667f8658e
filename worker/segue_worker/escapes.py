"""Looks through the escapes in which a text may quote something, and tells where each character stands. Pure."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Final

Span = tuple[int, int]
"""Where something stands in a text: its first place, and that behind its last."""

_DEPTH: Final = 3
"""How many layers of escapes are looked through, at most."""
_ESCAPE: Final = re.compile(
    r"%[0-9a-f]{2}|\\u\{?[0-9a-f]{4}\}?|\\x[0-9a-f]{2}|&#?\w{1,8};|=\r?\n|\\.", re.IGNORECASE | re.DOTALL
)
"""Percent-encoding, JSON's and JavaScript's escapes, HTML's, and a line break of quoted-printable."""


def layers(text: str) -> Iterator[str]:
    """The text, and what it is with one, two and three layers of escapes taken off, as far as it has any."""
    yield text
    for _ in range(_DEPTH):
        if not _ESCAPE.search(text):
            return
        text = _ESCAPE.sub(lambda found: _character(found[0]), text)
        yield text


def readings(text: str) -> Iterator[tuple[str, list[Span]]]:
    """The same texts, with where in the first of them each character stands."""
    spans = [(place, place + 1) for place in range(len(text))]
    yield text, spans
    for _ in range(_DEPTH):
        if not _ESCAPE.search(text):
            return
        unescaped = list(_unescaped(text))
        spans = [(spans[first][0], spans[last - 1][1]) for _, first, last in unescaped]
        text = "".join(character for character, _, _ in unescaped)
        yield text, spans


def _unescaped(text: str) -> Iterator[tuple[str, int, int]]:
    """Each character of a text, with where it stands in it, one layer of escapes taken off."""
    at = 0
    for found in _ESCAPE.finditer(text):
        yield from ((text[place], place, place + 1) for place in range(at, found.start()))
        at = found.end()
        yield _character(found[0]), found.start(), at
    yield from ((text[place], place, place + 1) for place in range(at, len(text)))


def _character(escape: str) -> str:
    """What an escape stands for; a space where that is no single character."""
    if escape[0] == "&":
        meant = unescape(escape)
    elif escape[0] == "=" or escape in {"\\n", "\\r", "\\t"}:
        meant = " "
    elif len(escape) > 2:  # noqa: PLR2004 - more than a backslash and a character
        meant = chr(int(escape.strip("%\\uUxX{}"), 16))
    else:
        meant = escape[1]
    return meant if len(meant) == 1 else " "
