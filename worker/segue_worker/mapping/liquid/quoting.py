"""Backslash escapes in quoted texts, which LiquidJS supports and python-liquid does not."""

import re
from typing import Final

from segue_worker.errors import MappingError

_DOUBLE, _SINGLE, _END = "\ue000", "\ue001", "\ue002"
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_PROTECTED: Final = {'\\"': f"\\{_DOUBLE}", "\\'": f"\\{_SINGLE}"}
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{0,4})|([0-7]{1,3})|(.)|\Z)", re.DOTALL)
_NAMED: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def protect_quotes(source: str) -> str:
    r"""Replace `\"` and `\'` by private characters, so that the parser does not end a text there.

    Another one is put at the end of the template, where the parser would otherwise lose a line feed.
    """
    if any(character in source for character in (_DOUBLE, _SINGLE, _END)):
        raise MappingError(("the Liquid template contains one of the private-use characters U+E000 to U+E002.",))
    return _ESCAPED.sub(lambda found: _PROTECTED.get(found[0], found[0]), source) + _END


def restore_quotes(text: str) -> str:
    """Put the quotes back that `protect_quotes` replaced."""
    return text.replace(_DOUBLE, '"').replace(_SINGLE, "'").replace(_END, "")


def unescape(text: str) -> str:
    """Resolve the backslash escapes of a quoted text as LiquidJS does."""
    return _ESCAPE.sub(_unescaped, restore_quotes(text)) if "\\" in text else text


def _unescaped(found: re.Match[str]) -> str:
    digits, octal, character = found.groups()
    if digits is not None:
        return chr(int(digits or "0", 16))
    if octal is not None:
        return chr(int(octal, 8))
    return _NAMED.get(character, character) if character else ""
