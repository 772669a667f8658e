"""Hides personal data until somebody asks for it. Pure."""

import json
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any, Final

from segue_worker.escapes import Span, readings

HIDDEN: Final = "•••"
_EMAIL: Final = re.compile(r"(?<![^\s\"'<>@,;:])[^\s\"'<>@,;:]++@[^\s\"'<>@,;:]*[^\s\"'<>@,;:.]")
"""Begins only where a word does: tried at each character of a long word, it would take time by the square of its length."""
_UNPARTED: Final = r"\u0e00-\u0eff\u2e80-\u9fff\uac00-\ud7af"
_UNSEEN: Final = r"\u00ad\u0300-\u036f\u200b-\u200d\u2060\ufeff"
_WORD: Final = re.compile(rf"[{_UNPARTED}]|(?:[^\W_{_UNPARTED}]|[{_UNSEEN}])+")
"""Accents, and what nobody sees, part no words. Of scripts that do not part words, each character is one."""
_WORDS: Final = 8
"""A value of more words is looked for so many at a time."""
_SHORTEST: Final = 2
"""A single letter or digit says nothing of a person."""
_CUT: Final = 3
"""So many characters of a value at the end of a text that was cut are hidden."""
_LONG = 8
_SAYS_NOTHING_OF_A_PERSON: Final = frozenset({"type", "event", "eventName", "messageId"})
"""Top-level fields of an event or a request that stay readable."""


def mask_contact(contact: str) -> str:
    """A contact shortened so that only somebody who knows it recognises it: `a•••@e•••.com`, `us•••42`."""
    if "@" in contact:
        return _mask_email(contact)
    if contact.startswith("blake2b:"):
        return contact[:12] + HIDDEN
    return f"{contact[:2]}{HIDDEN}{contact[-2:]}" if len(contact) >= _LONG else f"{contact[:1]}{HIDDEN}"


def mask_text(text: str) -> str:
    """A text with the email addresses in it masked."""
    return _EMAIL.sub(lambda found: _mask_email(found.group()), text)


def mask_known(text: str, *known: str | None) -> str:
    """A text, such as an answer that may quote what was sent, with emails and every known value in it masked.

    A value is found in any case, with other signs between its words, escaped as in JSON, HTML or addresses, and where the
    text was cut within it. The time grows with the length of the text, and not faster.

    Args:
        text: from outside.
        known: events and bodies, as JSON text, of which every value counts but those that say nothing of a person; or
            values themselves, such as a contact.
    """
    values = {each for source in known if source for value in _values(source) for each in _pieces(value)}
    text = mask_text(text)
    if not values:
        return text
    hidden = bytearray(len(text))
    ordered = sorted(values)
    for reading, spans in readings(text):
        for first, last in _places(reading, values, ordered):
            hidden[spans[first][0] : spans[last - 1][1]] = b"\1" * (spans[last - 1][1] - spans[first][0])
    parts = re.finditer(rb"\x01+|\x00+", hidden)
    return "".join(HIDDEN if hidden[part.start()] else text[part.start() : part.end()] for part in parts)


def plain_answer(text: str) -> str:
    """Shorten an answer like `503 {"success":false,"message":"Service Unavailable"}` to `503 Service Unavailable`."""
    head, brace, rest = text.partition("{")
    try:
        said = json.loads(brace + rest)["message"]
    except (ValueError, KeyError):
        return text
    return f"{head}{said}" if isinstance(said, str) else text


def mask_json(text: str) -> str:
    """JSON with its shape, names and booleans kept and every other value hidden. Text that is not JSON is hidden whole."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return HIDDEN
    if isinstance(value, dict):
        value = {
            mask_text(name): mask_text(each)
            if name in _SAYS_NOTHING_OF_A_PERSON and isinstance(each, str)
            else _masked(each)
            for name, each in value.items()
        }
    else:
        value = _masked(value)
    return pretty(value)


def show_json(text: str) -> str:
    """JSON, indented. Text that is not JSON is left as it is."""
    try:
        return pretty(json.loads(text))
    except (ValueError, RecursionError):
        return text


def pretty(value: Any) -> str:
    """A JSON value, indented."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def _values(source: str) -> Iterator[str]:
    """Every value in a JSON text, or the text itself where it is none."""
    try:
        value = json.loads(source)
    except (ValueError, RecursionError):
        value = source
    left: list[Any] = [value]
    if isinstance(value, dict):
        left = [each for name, each in value.items() if name not in _SAYS_NOTHING_OF_A_PERSON]
    while left:
        value = left.pop()
        if isinstance(value, dict | list):
            left += value.values() if isinstance(value, dict) else value
        elif value is not None and not isinstance(value, bool):
            yield str(value)


def _words(text: str) -> Iterator[tuple[str, int, int]]:
    """The words of a text in small letters without accents, with where each stands."""
    for found in _WORD.finditer(text):
        yield _plain(found[0]), found.start(), found.end()


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower()
    return "".join(each for each in unicodedata.normalize("NFKD", text.casefold()) if each.isalnum())


def _pieces(value: str) -> Iterator[str]:
    """What to look for: the words of a value without what stands between them, `_WORDS` at a time where they are more."""
    # Also as it looks where the bytes of UTF-8 were taken for characters: so in addresses.
    for spelling in {value, value.encode("utf-8", "replace").decode("latin-1")}:
        words = [word for word, _, _ in _words(spelling)]
        for first in range(max(1, len(words) - _WORDS + 1)):
            piece = "".join(words[first : first + _WORDS])
            if len(piece) >= _SHORTEST:
                yield piece


def _places(text: str, values: set[str], ordered: list[str]) -> Iterator[Span]:
    """Where in a text known values stand, whole, or as far as they got where the text was cut."""
    words = list(_words(text))
    last = len(text.rstrip(" \"'"))
    for first, (_, start, _) in enumerate(words):
        joined = ""
        for word, _, end in words[first : first + _WORDS]:
            joined += word
            cut = len(joined) >= _CUT and (end >= last or text.startswith("…", end))
            if joined in values or (cut and _begins(joined, ordered)):
                yield start, end


def _begins(piece: str, ordered: list[str]) -> bool:
    """Whether one of the values begins so."""
    place = bisect_left(ordered, piece)
    return place < len(ordered) and ordered[place].startswith(piece)


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {mask_text(name): _masked(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_masked(each) for each in value]
    return value if value is None or isinstance(value, bool) else HIDDEN


def _mask_email(address: str) -> str:
    name, _, host = address.partition("@")
    end = host.rpartition(".")[2] if "." in host else ""
    return f"{name[:1]}{HIDDEN}@{host[:1]}{HIDDEN}" + (f".{end}" if end else "")
