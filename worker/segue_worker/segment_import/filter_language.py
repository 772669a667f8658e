"""Reads the conditions of Segment's destination filters (docs/segment.md#destination-filters).

They are written in a language that looks like that of triggers, and means more: either quotes, `!` before anything,
parentheses at any depth, lists, and functions that triggers do not have. Read is what a trigger may be able to say.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

Comparison = Literal["=", "<", "<=", ">", ">=", "contains", "starts", "ends"]


class UnreadableError(Exception):
    """A condition cannot be read; the message says why, without a full stop."""


@dataclass(frozen=True, slots=True)
class Atom:
    """One comparison: of the value at a path with a text, a number, true, false or null."""

    path: str
    test: Comparison
    value: str | float | bool | None


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    inner: "Expression"


@dataclass(frozen=True, slots=True)
class Compound:
    """All (`and`) or any (`or`) of several."""

    conditional: Literal["and", "or"]
    members: "tuple[Expression, ...]"


Expression = Atom | Not | Compound

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<text>"[^"\\]*"|'[^'\\]*')
      | (?P<number>[+-]?\d+(?:\.\d+)?(?![\w.]))
      | (?P<word>[A-Za-z_][\w-]*(?:\.[\w-]+)*)
      | (?P<sign>!=|<=|>=|[=<>!(),\[\]])
      | (?P<end>\Z)
    )""",
    re.VERBOSE | re.ASCII,
)
_WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
_FUNCTIONS: Final = frozenset({"contains", "match", "lowercase", "typeof", "length"})
_GLOB: Final = re.compile(r"[*?\[\]\\]")
_DEEPEST: Final = 50
_SHOWN: Final = 40

FilterToken = tuple[str, str]
"""Kind and text; of a text without its quotes."""


def read_condition(text: str) -> Expression | None:
    """Read a condition; None stands for `all`, which holds for every event.

    Raises:
        UnreadableError: it is none, or has parts that no trigger has.
    """
    if text.strip() == "all":
        return None
    return _Reader(list(_tokens(text))).whole()


def _tokens(text: str) -> Iterator[FilterToken]:
    at = 0
    while True:
        found = _TOKEN.match(text, at)
        if found is None:
            raise UnreadableError(f"its condition cannot be read from {text[at:].strip()[:_SHOWN]!r} on")
        kind = str(found.lastgroup)
        yield kind, found[kind][1:-1] if kind == "text" else found[kind]
        if kind == "end":
            return
        at = found.end()


class _Reader:
    def __init__(self, tokens: list[FilterToken]) -> None:
        self._tokens = tokens
        self._at = 0

    def whole(self) -> Expression:
        node = self._level(0)
        if self._peek()[0] != "end":
            raise self._error()
        return node

    def _peek(self) -> FilterToken:
        return self._tokens[self._at]

    def _take(self) -> FilterToken:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _is_next(self, sign: str) -> bool:
        if self._peek() != ("sign", sign):
            return False
        self._at += 1
        return True

    def _expect(self, sign: str) -> None:
        if not self._is_next(sign):
            raise self._error()

    def _error(self) -> UnreadableError:
        _, text = self._peek()
        return UnreadableError(
            f"its condition cannot be read from {text[:_SHOWN]!r} on" if text else "its condition is cut short"
        )

    def _level(self, depth: int) -> Expression:
        if depth > _DEEPEST:
            raise UnreadableError("its condition is nested too deep")
        members, conditionals = [self._term(depth)], set()
        while self._peek() in {("word", "and"), ("word", "or")}:
            conditionals.add(self._take()[1])
            members.append(self._term(depth))
        if len(conditionals) > 1:
            raise UnreadableError(
                "its condition mixes and with or without parentheses, and which goes first is not documented"
            )
        if not conditionals:
            return members[0]
        return Compound("or" if "or" in conditionals else "and", tuple(members))

    def _term(self, depth: int) -> Expression:
        if self._is_next("!"):
            if depth > _DEEPEST:
                raise UnreadableError("its condition is nested too deep")
            return Not(self._term(depth + 1))
        if self._is_next("("):
            node = self._level(depth + 1)
            self._expect(")")
            return node
        kind, word = self._peek()
        if kind != "word" or word in _WORDS or word in {"and", "or", "in"}:
            raise self._error()
        self._take()
        return self._function(word) if self._peek() == ("sign", "(") else self._comparison(word)

    def _function(self, name: str) -> Expression:
        if name not in {"contains", "match"}:
            told = "which triggers do not have" if name in _FUNCTIONS else "which is no function"
            raise UnreadableError(f"its condition uses {name[:_SHOWN]}(), {told}")
        self._expect("(")
        kind, path = self._take()
        self._expect(",")
        value_kind, value = self._take()
        self._expect(")")
        if (kind, value_kind) != ("word", "text"):
            raise UnreadableError(f"its condition uses {name}() on something other than a field and a text")
        return Atom(path, "contains", value) if name == "contains" else _matching(path, value)

    def _comparison(self, path: str) -> Expression:
        if self._peek() == ("word", "in"):
            self._take()
            return self._membership(path)
        kind, sign = self._peek()
        if kind != "sign" or sign not in {"=", "!=", "<", "<=", ">", ">="}:
            # A path by itself holds where true is found.
            return Atom(path, "=", True)
        self._take()
        value = self._value()
        if sign in {"=", "!="}:
            return Atom(path, "=", value) if sign == "=" else Not(Atom(path, "=", value))
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise UnreadableError(
                f"its condition compares {path[:_SHOWN]} by {sign} with something other than a number"
            )
        tests: dict[str, Comparison] = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
        return Atom(path, tests[sign], value)

    def _membership(self, path: str) -> Expression:
        self._expect("[")
        members: list[Expression] = [Atom(path, "=", self._value())]
        while self._is_next(","):
            members.append(Atom(path, "=", self._value()))
        self._expect("]")
        return Compound("or", tuple(members))

    def _value(self) -> str | float | bool | None:
        kind, text = self._peek()
        if kind == "word" and text in _WORDS:
            value: str | float | bool | None = _WORDS[text]
        elif kind == "number":
            value = float(text) if "." in text else int(text)
        elif kind == "text":
            value = text
        else:
            raise self._error()
        self._take()
        return value


def _matching(path: str, pattern: str) -> Expression:
    """A glob as a test that triggers have: `*` at one end, at both, or nowhere."""
    inner = pattern.strip("*")
    if _GLOB.search(inner):
        raise UnreadableError(
            f"its condition uses the pattern {pattern[:_SHOWN]!r}; match() of a trigger knows one * at an end"
        )
    starts, ends = pattern.startswith("*"), pattern.endswith("*")
    test: Comparison = "contains" if starts and ends else "ends" if starts else "starts" if ends else "="
    return Atom(path, test, inner)
