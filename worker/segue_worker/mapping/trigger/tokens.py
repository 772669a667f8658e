"""Splits a trigger into tokens, and refuses what Segment's scanner would split differently (docs/segment.md#triggers)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from segue_worker.errors import TriggerError


class Kind(Enum):
    """The kinds of tokens."""

    WORD = "word"
    STRING = "string"
    NUMBER = "number"
    OPERATOR = "operator"
    NOT = "!"
    OPEN = "("
    CLOSE = ")"
    COMMA = ","
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a trigger.

    Attributes:
        kind: what it is.
        text: what a string holds between its quotes; any other token as it is written.
        position: index of its first character.
        keys: the parts of a word between its dots, without their escapes; empty for other tokens.
    """

    kind: Kind
    text: str
    position: int
    keys: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The text, shortened where it would be too long for a message."""
        return self.text if len(self.text) <= _LONGEST_LABEL else f"{self.text[:_LONGEST_LABEL]}…"


_LONGEST_LABEL: Final = 60
_TERMINATORS: Final = frozenset(" \t\n,])")
_SPACES: Final = frozenset(" \t\n")
_OPERATOR_START: Final = re.compile(r"[=<>!]")
_STRING_START: Final = re.compile(r'"')
_NUMBER_START: Final = re.compile(r"[-+.0-9]")
_WORD_START: Final = re.compile(r"[A-Za-z_\\]")
_WORD_CHARACTER: Final = re.compile(r"[A-Za-z0-9_\-\\]")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_NUMBER_LIKE: Final = re.compile(r"[^\s,\])(]*")
_KEYWORDS: Final = frozenset({"and", "or", "null"})
_LOOK_AHEAD: Final = {"a": 2, "o": 1, "n": 3}
_PUNCTUATION: Final = {"(": Kind.OPEN, ")": Kind.CLOSE, ",": Kind.COMMA}
_LARGEST_UNIT: Final = "\uffff"
_HINTS: Final = {
    "\r": "a carriage return is not a space in triggers; use line feeds only",
    "'": "single quotes become part of the value; use double quotes",
    "`": "use double quotes",
    "\u201c": 'use straight double quotes: "',
    "\u201d": 'use straight double quotes: "',
    "\u2018": 'use straight double quotes: "',
    "\u2019": 'use straight double quotes: "',
    "&": "write `and`",
    "|": "write `or`",
    "[": "list elements are written with a dot and an escaped digit, as in `properties.list.\\0`",
    "]": "there is nothing to close here",
    ";": "a trigger is one expression, without `;`",
    "#": "triggers have no comments",
}


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._scans: tuple[tuple[re.Pattern[str], Callable[[int], Token]], ...] = (
            (_OPERATOR_START, self._operator),
            (_STRING_START, self._string),
            (_WORD_START, self._word),
            (_NUMBER_START, self._number),
        )

    def tokens(self) -> list[Token]:
        found = []
        while (token := self._next()).kind is not Kind.END:
            found.append(token)
        return [*found, token]

    def _error(self, reason: str, position: int | None = None) -> TriggerError:
        return TriggerError(reason, text=self._text, position=self._at if position is None else position)

    def _character(self, offset: int = 0) -> str:
        return self._text[self._at + offset : self._at + offset + 1]

    def _terminated(self) -> bool:
        character = self._character()
        return not character or character in _TERMINATORS

    def _next(self) -> Token:
        while self._character() and self._character() in _SPACES:
            self._at += 1
        character, start = self._character(), self._at
        if not character:
            return Token(Kind.END, "", start)
        if character in _PUNCTUATION:
            self._at += 1
            return Token(_PUNCTUATION[character], character, start)
        for characters, scan in self._scans:
            if characters.match(character):
                return scan(start)
        raise self._character_error(character)

    def _check_stray(self, character: str) -> None:
        """Refuse a character that is at fault itself, rather than for standing where it does."""
        if character in _HINTS or character.isspace():
            raise self._character_error(character)

    def _character_error(self, character: str) -> TriggerError:
        if character in _HINTS:
            return self._error(f"{_HINTS[character]}.")
        if character.isspace():
            return self._error(f"U+{ord(character):04X} is not a space in triggers; use an ordinary space.")
        if character.isalpha():
            return self._error(f"letters outside a-z belong in double quotes, or after a backslash: \\{character}.")
        return self._error(f"{character!r} has no meaning here.")

    def _operator(self, start: int) -> Token:
        character, following = self._character(), self._character(1)
        self._at += 1
        if character == "!" and following != "=":
            if (following.isascii() and following.isalpha()) or following == "(":
                return Token(Kind.NOT, "!", start)
            raise self._error("`!` stands directly before contains( or match(, without a space.", start)
        if following != "=":
            if character == "=" and following in {">", "<"}:
                raise self._error(f"`={following}` is not an operator; write `{following}=`.", start)
            return Token(Kind.OPERATOR, character, start)
        if character == "=":
            raise self._error("`==` is not an operator; write `=`.", start)
        self._at += 1
        if not self._terminated():
            raise self._error(f"put a space after `{character}=`.")
        return Token(Kind.OPERATOR, f"{character}=", start)

    def _string(self, start: int) -> Token:
        end = self._text.find('"', start + 1)
        if end < 0:
            raise self._error("this text is never closed; end it with a double quote.", start)
        contents = self._text[start + 1 : end]
        self._at = end + 1
        if not self._terminated():
            self._check_stray(self._character())
            if contents.endswith("\\"):
                raise self._error(
                    "a double quote cannot be written inside a text; a backslash does not escape it.", end
                )
            raise self._error("put a space after the closing quote; without it the text does not end here.")
        return Token(Kind.STRING, contents, start)

    def _number(self, start: int) -> Token:
        match = _NUMBER.match(self._text, start)
        if match is not None:
            self._at = match.end()
            if self._terminated():
                return Token(Kind.NUMBER, match[0], start)
        like = _NUMBER_LIKE.match(self._text, start)
        shown = like[0][:20] if like else ""
        raise self._error(
            f"`{shown}` is not a number; write plain digits such as 30, -3 or 0.5, and a space after them.", start
        )

    def _word(self, start: int) -> Token:
        keys = [self._key()]
        while self._character() == ".":
            self._at += 1
            following = self._character()
            if not following or not _WORD_START.match(following):
                raise self._key_start_error(following)
            keys.append(self._key())
        return Token(Kind.WORD, self._text[start : self._at], start, tuple(keys))

    def _key_start_error(self, following: str) -> TriggerError:
        if not following or following in _SPACES:
            return self._error("a name follows the dot directly, without a space.")
        if following.isdigit() or following == "-":
            return self._error(f"a name does not begin with {following!r} unless it is escaped: write `\\{following}`.")
        if following.isalpha() and following <= _LARGEST_UNIT:
            return self._error(f"letters outside a-z are escaped in names: write `\\{following}`.")
        return self._error("a name follows the dot; other characters in it are escaped with a backslash.")

    def _key(self) -> str:
        start = self._at
        self._check_lost_letters(start)
        letters = []
        while (character := self._character()) and _WORD_CHARACTER.match(character):
            if character == "\\":
                self._at += 1
                character = self._escaped()
            letters.append(character)
            self._at += 1
        key = "".join(letters)
        self._check_word_end(start, key)
        return key

    def _escaped(self) -> str:
        character = self._character()
        if not character:
            raise self._error("a backslash is followed by the character it escapes.", self._at - 1)
        if character in ".[]":
            raise self._error(f"names that contain {character!r} cannot be reached by a trigger.", self._at - 1)
        if character > _LARGEST_UNIT:
            raise self._error(f"names that contain {character!r} cannot be written in a trigger.", self._at - 1)
        return character

    def _check_word_end(self, start: int, key: str) -> None:
        character = self._character()
        if not self._terminated() and character not in ".(=!":
            self._check_stray(character)
            if character.isalpha():
                raise self._error(f"letters outside a-z are escaped in names: write `\\{character}`.")
            raise self._error(f"put a space before `{character}`.")
        if start and self._text[start - 1] == "." and self._terminated() and self._text[start : self._at] in _KEYWORDS:
            raise self._error(f"`{key}` is a keyword even after a dot; write `\\{key}`.", start)

    def _check_lost_letters(self, start: int) -> None:
        """Refuse a name at the end of the text whose letters Segment loses while it looks ahead for `and`, `or` or `null`."""
        length = _LOOK_AHEAD.get(self._text[start], 0)
        ahead = self._text[start + 1 : start + 1 + length]
        if len(ahead) < length and _TERMINATORS.isdisjoint(ahead):
            raise self._error("put a space after the name; Segment loses the end of this trigger otherwise.", start)


def tokenize(text: str) -> list[Token]:
    """Split a trigger into tokens; the last one marks the end.

    Raises:
        TriggerError: Segment's scanner fails on the text, or splits it in a way that it does not show.
    """
    return _Scanner(text).tokens()
