"""Reads the configuration file into plain data, with the line of every path, and replaces variables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segue_worker.config.files import read_bounded
from segue_worker.config.problems import Findings, Where
from segue_worker.config.variables import substitute
from segue_worker.config.yaml_tree import MAX_DEPTH, MAX_NODES, DocumentError, Items, Node, Scalar, YamlFault, parse

MAX_BYTES = 10_000_000


@dataclass(slots=True)
class Document:
    """The contents of a configuration file.

    Attributes:
        data: dictionaries, lists, texts, numbers, booleans and None, as the file nests them.
        lines: the line on which each path begins, which is that of its key or list item.
        replaced: the paths of texts with variables, and what those held. It must never be shown.
        written: the same texts as the file writes them.
        findings: takes the problems and warnings; it holds those met so far.
    """

    data: Any
    lines: dict[Where, int]
    replaced: dict[Where, frozenset[str]]
    written: dict[Where, str]
    findings: Findings


def read_document(path: Path, environ: Mapping[str, str], *, serving: bool = False) -> Document:
    """Read a configuration file.

    Args:
        path: the file.
        environ: the environment variables that `${NAME}` refers to.
        serving: whether the caller serves `sources`, and therefore needs their write keys.

    Returns:
        The document. Its findings hold the problems in spite of which it could be read.

    Raises:
        DocumentError: the file cannot be read, or is not a single YAML 1.2 document of a sensible size.
    """
    root, faults = parse(_decode(_read(path)))
    if root is None:
        raise DocumentError("the file is empty: a configuration begins with `destinations:`", 1)
    return _Reading(environ, serving).document(str(path), root, faults)


def _read(path: Path) -> bytes:
    try:
        content = read_bounded(path, MAX_BYTES)
    except FileNotFoundError:
        raise DocumentError("there is no such file: name one with --config or SEGUE_CONFIG", None) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DocumentError(f"cannot be read: {reason}", None) from None
    if len(content) > MAX_BYTES:
        raise DocumentError(f"larger than {MAX_BYTES // 1_000_000} MB, more than any configuration needs", 1)
    return content


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(
            "not valid UTF-8: save the file as UTF-8", content.count(b"\n", 0, error.start) + 1
        ) from None


@dataclass(slots=True)
class _Reading:
    """Turns the tree into data of at most `MAX_NODES` values, following aliases."""

    environ: Mapping[str, str]
    serving: bool
    lines: dict[Where, int] = field(default_factory=dict)
    replaced: dict[Where, frozenset[str]] = field(default_factory=dict)
    written: dict[Where, str] = field(default_factory=dict)
    missing: list[YamlFault] = field(default_factory=list)

    def document(self, file: str, root: Node, faults: list[YamlFault]) -> Document:
        data = self._value(root, (), 1)
        findings = Findings(file, self.lines, serving=self.serving)
        for where, line, reason in faults:
            findings.problem(where, reason, line=line)
        for where, line, reason in self.missing:
            findings.missing_value(where, reason, line=line)
        findings.silence(frozenset(where for where, _, _ in self.missing))
        return Document(data, self.lines, self.replaced, self.written, findings)

    def _value(self, node: Node, where: Where, line: int) -> Any:
        self.lines[where] = line
        if len(self.lines) > MAX_NODES:
            raise DocumentError(f"more than {MAX_NODES:,} values once its aliases are followed", line)
        if len(where) > MAX_DEPTH:
            raise DocumentError(f"nested deeper than {MAX_DEPTH} levels once its aliases are followed", line)
        if isinstance(node, Items):
            return [self._value(item, (*where, index), at) for index, (at, item) in enumerate(node.items)]
        if isinstance(node, Scalar):
            return self._text(node.value, where, line) if isinstance(node.value, str) else node.value
        return {key: self._value(value, (*where, key), at) for key, (at, value) in node.entries.items()}

    def _text(self, text: str, where: Where, line: int) -> str:
        outcome = substitute(text, self.environ)
        self.missing.extend((where, line, reason) for reason in outcome.reasons)
        if outcome.values:
            self.replaced[where] = outcome.values
            self.written[where] = text
        return outcome.text
