"""Reads YAML 1.2 into a tree that knows its lines, and refuses what a configuration never needs.

It uses the events of ruamel.yaml and not its loader, because events carry lines, create no objects, and let nesting
and size be limited while the text is being read. Tags, merge keys, repeated keys and further documents are problems.
"""

import math
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    Event,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)
from ruamel.yaml.nodes import ScalarNode

from segue_worker.config.problems import Where, key_text
from segue_worker.errors import SegueError
from segue_worker.mapping.javascript import has_lone_surrogate

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 64
MAX_NODES = 100_000


class DocumentError(SegueError):
    """The text is not a document that could be examined any further.

    Attributes:
        reason: why.
        line: the line at fault, counted from 1; None when the file could not be read at all.
    """

    def __init__(self, reason: str, line: int | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, number, boolean or null, and how it is written."""

    value: str | int | float | bool | None
    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list: each item with the line on which it begins."""

    items: list[tuple[int, "Node"]]


@dataclass(frozen=True, slots=True)
class Entries:
    """An object: each key with its line and its value."""

    entries: dict[str, tuple[int, "Node"]]


Node: TypeAlias = Scalar | Items | Entries
YamlFault: TypeAlias = tuple[Where, int, str]


def parse(text: str) -> tuple[Node | None, list[YamlFault]]:
    """Read one YAML document.

    Args:
        text: the whole file.

    Returns:
        The tree (None for an empty document), and the problems in spite of which it could be read: path, line, reason.

    Raises:
        DocumentError: it cannot be read, because it is not YAML, several documents, nested too deep or too large.
    """
    builder = _Builder(text)
    try:
        return builder.document(), builder.faults
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        number = mark.line if mark else 0
        raise DocumentError(f"not valid YAML: {_wording(error, _line_of(text, number))}", number + 1) from None
    except YAMLError as error:
        position = getattr(error, "position", 0)
        raise DocumentError("not valid YAML: a control character", text.count("\n", 0, position) + 1) from None


_ADVICE: Final = (
    (r"found character '[@`%]'", "", "put a text or key that begins with this character in quotes"),
    (r"found character '\\t'", "", "use spaces, not tabs"),
    ("", r"(?:^|[:-])[ ]+!", "put a text that begins with ! in quotes"),
    ("", r"\{\{", "put a text with {{ in quotes"),
    ("", r""":[ ]+(?:"[^"]*"|'[^']*')[ ]*[^ ,}\]#]""", "the text ends at its second quote: put all of it in quotes of the other kind"),
    (r"\Amapping values", "", "put a text with a colon and a space in quotes, and mind the indentation"),
)  # fmt: skip
"""What to do about usual mistakes: what the parser says, what the line holds, and the advice."""


def _wording(error: MarkedYAMLError, line: str) -> str:
    """Return the parser's message with advice, without what quotes the text, because that may hold an API key."""
    quoting = ("found undefined tag handle", "duplicate tag handle")
    parts = [part for part in (error.context, error.problem) if part and not part.startswith(quoting)]
    said = ", ".join(parts)
    fitting = (advice for says, holds, advice in _ADVICE if re.search(says, said) and re.search(holds, line))
    return ": ".join((said, *islice(fitting, 1)))


def _line_of(text: str, number: int) -> str:
    lines = text.splitlines()
    return lines[number][:1000] if number < len(lines) else ""


class _Builder:
    """Builds the tree from events, as deep as `MAX_DEPTH` allows."""

    def __init__(self, text: str) -> None:
        self.faults: list[YamlFault] = []
        self._events: Iterator[Event] = YAML(typ="safe", pure=True).parse(text)
        # A second instance, because a %YAML directive changes the rules of the one that parses.
        self._values = YAML(typ="safe", pure=True)
        self._anchors: dict[str, Node] = {}
        self._unfinished: set[int] = set()
        self._nodes = 0

    def document(self) -> Node | None:
        root: Node | None = None
        documents = 0
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                _check_document(event, documents)
            elif isinstance(event, NodeEvent):
                root = self._node(event, ())
        return root

    def _node(self, event: Event, where: Where) -> Node:
        line = _line(event)
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise DocumentError(f"more than {MAX_NODES:,} values", line)
        if len(self._unfinished) > MAX_DEPTH:
            raise DocumentError(f"nested deeper than {MAX_DEPTH} levels", line)
        if isinstance(event, AliasEvent):
            return self._aliased(event)
        if getattr(event, "ctag", None) is not None:
            self._fault(
                where,
                line,
                "YAML tags (!…) are not used here: write the plain value, or put a text that begins with ! in quotes",
            )
        if isinstance(event, ScalarEvent):
            return self._anchored(event, self._scalar(event, where))
        node: Node = Items([]) if isinstance(event, SequenceStartEvent) else Entries({})
        self._anchored(event, node)
        self._unfinished.add(id(node))
        self._fill(node, where)
        self._unfinished.remove(id(node))
        return node

    def _fill(self, node: Node, where: Where) -> None:
        while not isinstance(event := next(self._events), CollectionEndEvent):
            line = _line(event)
            if isinstance(node, Items):
                node.items.append((line, self._node(event, (*where, len(node.items)))))
            elif isinstance(node, Entries):
                key = self._key(event, where)
                value = self._node(next(self._events), (*where, key))
                if key in node.entries:
                    first, _ = node.entries[key]
                    self._fault((*where, key), line, f"the key {key_text(key)} is given twice: first on line {first}")
                else:
                    node.entries[key] = (line, value)

    def _key(self, event: Event, where: Where) -> str:
        line = _line(event)
        node = self._node(event, where)
        if not isinstance(node, Scalar):
            self._fault(where, line, "a key must be text, not a list or further keys: put a text with {{ in quotes")
            return "?"
        if node.text == "<<" and isinstance(event, ScalarEvent) and event.style is None:
            self._fault(
                where, line, "merge keys (<<) are not part of YAML 1.2: write the keys out, or alias a whole value"
            )
        return node.text

    def _scalar(self, event: ScalarEvent, where: Where) -> Scalar:
        text = str(event.value)
        if has_lone_surrogate(text):
            self._fault(where, _line(event), "half of a surrogate pair (\\ud800 to \\udfff), which is not a character")
            text = "?"
        if event.style is not None or event.ctag is not None:
            return Scalar(text, text)
        tag = self._values.resolver.resolve(ScalarNode, text, (True, False))
        if str(tag).rpartition(":")[2] not in {"bool", "int", "float", "null"}:
            return Scalar(text, text)
        try:
            value = self._values.constructor.construct_object(ScalarNode(tag, text))
        except ValueError:
            value = math.nan
        if isinstance(value, float) and not math.isfinite(value):
            self._fault(where, _line(event), "a number that JSON does not have: put it in quotes if it is text")
            value = text
        return Scalar(value, text)

    def _anchored(self, event: Event, node: Node) -> Node:
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            self._anchors[anchor] = node
        return node

    def _aliased(self, event: AliasEvent) -> Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            raise DocumentError(
                "not valid YAML: an alias (*) whose anchor (&) is missing: put a text that begins with * in quotes",
                _line(event),
            )
        if id(node) in self._unfinished:
            raise DocumentError("an alias within its own anchor would never end", _line(event))
        return node

    def _fault(self, where: Where, line: int, reason: str) -> None:
        self.faults.append((where, line, reason))


def _check_document(event: DocumentStartEvent, number: int) -> None:
    if number > 1:
        raise DocumentError("a second YAML document begins here: a configuration is a single one", _line(event))
    if event.version not in {None, (1, 2)}:
        raise DocumentError("the %YAML directive above asks for another version than 1.2: leave it out", _line(event))


def _line(event: Event) -> int:
    return int(event.start_mark.line) + 1
