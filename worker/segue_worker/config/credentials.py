"""Reads API keys and write keys, from the configuration or from files it names. Keys are never shown."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from segue_worker.config.document import Document
from segue_worker.config.files import read_bounded
from segue_worker.config.problems import Findings, Where
from segue_worker.config.rules import check_unique, entries

_LARGEST_FILE = 10_000


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of key: the list whose members have one, its name there, and the characters it may consist of."""

    members: str
    name: str
    pattern: re.Pattern[str]
    allowed: str


_KINDS: Final = (
    # An API key is sent in an HTTP header.
    _Kind("destinations", "api_key", re.compile(r"[!-~]{1,500}"), "ASCII letters, digits and signs, without spaces"),
    # Clients send a write key as the user name of HTTP Basic, which ends at the first colon.
    _Kind(
        "sources",
        "write_key",
        re.compile(r"[!-9;-~]{1,200}"),
        "ASCII letters, digits and signs, without spaces and colons",
    ),
)


class _NoKeyError(ValueError):
    """There is no key at all, as opposed to one that is not valid."""


def read_credentials(document: Document, directory: Path) -> dict[Where, SecretStr]:
    """Read the keys of destinations and sources, from the configuration or from the files it names.

    Args:
        document: the configuration; problems are added to its findings.
        directory: where relative file names begin, which is that of the configuration.

    Returns:
        The keys by the path of their destination or source, as far as they are valid.
    """
    findings = document.findings
    credentials: dict[Where, SecretStr] = {}
    for kind in _KINDS:
        found: list[tuple[Where, str]] = []
        for index, entry in entries(document.data, kind.members):
            where: Where = (kind.members, index)
            used = _used(kind, entry, where, findings)
            if used is None or findings.is_silenced((*where, used)):
                continue
            try:
                key = _read(kind, entry[used], directory if used != kind.name else None)
            except _NoKeyError as error:
                findings.missing_value((*where, used), str(error))
            except ValueError as error:
                findings.problem((*where, used), str(error))
            else:
                credentials[where] = SecretStr(key)
                found.append(((*where, used), key))
        if kind.members == "sources":
            check_unique(document, "write key", found, secret=True)
    return credentials


def key_files(document: Document, directory: Path) -> list[Path]:
    """The files that a configuration names for keys, whether or not they can be read; `directory` as above."""
    named = (entry.get(f"{kind.name}_file") for kind in _KINDS for _, entry in entries(document.data, kind.members))
    return [directory / name for name in named if isinstance(name, str)]


def _used(kind: _Kind, entry: dict[str, Any], where: Where, findings: Findings) -> str | None:
    """Return which of the two names is given. Exactly one must be, and its value must be text."""
    from_file = f"{kind.name}_file"
    given = [name for name in (kind.name, from_file) if name in entry]
    if not given:
        findings.problem(where, f'missing key "{kind.name}" (or "{from_file}")')
    elif len(given) > 1:
        findings.problem((*where, from_file), f"cannot be given together with {kind.name}: keep one of the two")
    elif isinstance(entry[given[0]], str):
        return given[0]
    return None


def _read(kind: _Kind, value: str, directory: Path | None) -> str:
    """Return the key: the value itself, or the contents of the file that it names.

    Raises:
        ValueError: the key is not valid; a `_NoKeyError` where there is none.
    """
    key = value if directory is None else _file(directory / value)
    if not key:
        raise _NoKeyError("is empty" if directory is None else "the file is empty")
    if not kind.pattern.fullmatch(key):
        raise ValueError(
            f"{'is' if directory is None else 'the file holds text that is'} not a valid key: keys consist of {kind.allowed}"
        )
    return key


def _file(path: Path) -> str:
    """Return the text of a file, without the white space around it."""
    try:
        content = read_bounded(path, _LARGEST_FILE)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else None
        raise _NoKeyError(f"the file cannot be read: {said or 'no file has such a name'}") from None
    if len(content) > _LARGEST_FILE:
        raise ValueError("the file is too large for a key")
    try:
        return content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError("the file is not UTF-8 text") from None
