"""Keeps a secret out of answers, however they spell it. Pure.

An answer may quote the request: a proxy's error page, a debugging gateway. Whatever is kept of an answer is kept in Redis,
logged and shown, so the API key is taken out where the answer comes in.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Final

from segue_worker.escapes import Span, layers, readings

MARK: Final = "(the API key)"
_PIECE: Final = 8
"""So many characters of the secret in a row are hidden, wherever in it they are."""
_SHORTEST: Final = 4
"""A shorter secret is part of too many words."""
_UNSEEN: Final = re.compile("[\x00\xad\u200b\u200c\u200d\u2060\ufeff]")
_PLAIN: Final = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "\t\n\r\x0b\x0c \xa0" + _UNSEEN.pattern[1:-1]
)
"""Case, and what may stand between the characters of a secret that is broken over lines, does not matter."""


class Redaction:
    """Takes a secret out of texts.

    Args:
        secret: plain. It is found in any case, broken by white space, percent-encoded, escaped as in JSON, JavaScript or
            HTML, in hexadecimal and in base64, also as part of something longer; and so is a part of it.
    """

    def __init__(self, secret: str) -> None:
        spellings = [each.translate(_PLAIN) for each in _spellings(secret)] if len(secret) >= _SHORTEST else []
        self._pieces = {each[start : start + _PIECE] for each in spellings for start in range(max(1, len(each) - 7))}
        self._sizes = sorted({len(piece) for piece in self._pieces})
        # Whatever holds a piece holds one of these, of which there are few.
        self._signs = tuple({each[start : start + 5] for each in spellings for start in range(0, len(each) - 3, 4)})

    def __repr__(self) -> str:
        return "Redaction(...)"

    def __call__(self, text: str) -> str:
        """The text without the secret."""
        if not any(self._may_hold(layer) for layer in layers(text)):
            # Nearly always, and at each answer.
            return text
        hidden = bytearray(len(text))
        for characters, spans in readings(text):
            for first, last in self._places_in(characters, spans):
                hidden[first:last] = b"\1" * (last - first)
        parts = re.finditer(rb"\x01+|\x00+", hidden)
        return "".join(MARK if hidden[part.start()] else text[part.start() : part.end()] for part in parts)

    def _may_hold(self, text: str) -> bool:
        plain = text.translate(_PLAIN) if _UNSEEN.search(text) else "".join(text.lower().split())
        return any([sign in plain for sign in self._signs])  # noqa: C419 - measured: a third of the time

    def _places_in(self, characters: str, spans: Sequence[Span]) -> Iterator[Span]:
        """Where the secret is in one reading of a text."""
        plain = [
            (each, span) for each, span in zip((c.translate(_PLAIN) for c in characters), spans, strict=True) if each
        ]
        flat = "".join(each for each, _ in plain)
        for size in self._sizes:
            for start in range(len(flat) - size + 1):
                if flat[start : start + size] in self._pieces:
                    yield plain[start][1][0], plain[start + size - 1][1][1]


def _spellings(secret: str) -> Iterator[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    yield secret
    yield raw.hex()
    for before in range(3):
        # In base64 three bytes become four characters, so there are three ways to spell a part of something longer.
        # The characters that its neighbours have a part in are left out.
        encoded = b64encode(bytes(before) + raw).rstrip(b"=").decode()
        core = encoded[(0, 2, 3)[before] : len(encoded) - ((before + len(raw)) % 3 > 0)]
        yield core
        yield core.replace("+", "-").replace("/", "_")
