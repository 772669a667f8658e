"""Text that came from outside, made fit to be printed: what a sender wrote must not forge lines or steer a terminal. Pure."""

import re
from typing import Final

_UNSEEN: Final = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # control characters, those of eight bits too
    "\xad\u061c\u180e\u200b\u200e\u200f\u2060-\u2064\ufeff\ufff9-\ufffb"  # invisible
    "\u2028-\u202e\u2066-\u2069"  # line separators, and what turns the direction of reading round
    "\ud800-\udfff"  # no characters at all
    "\U000e0000-\U000e007f"  # tags
    "]"
)
"""Characters that are not what they look like. Joiners stay: some scripts, and emoji, are written with them."""


def counted(number: int, noun: str) -> str:
    """A number and what it counts, as in `1 event` or `1,200 events`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def visible(text: str) -> str:
    r"""The text on one line, with characters that cannot be seen spelled out, as `\n` and `\x1b`."""
    return _UNSEEN.sub(_spelled, text)


def visible_lines(text: str) -> str:
    """The same of a text of several lines."""
    return "\n".join(map(visible, text.split("\n")))


def visible_json(text: str) -> str:
    r"""JSON text with such characters spelled as JSON does, like `\u001b`: it means the same as before."""
    return _UNSEEN.sub(_json_spelled, text)


def _spelled(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _json_spelled(found: re.Match[str]) -> str:
    character = found[0]
    if character in "\n\r\t":
        # In JSON these stand between values only.
        return character
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
