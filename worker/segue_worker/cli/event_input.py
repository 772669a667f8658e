"""Reading events, and choosing the destination whose mappings apply: for the commands that take events."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import IO, Any

import click

from segue_worker.cli.completion import DESTINATION
from segue_worker.cli.group import UsageFailure
from segue_worker.cli.options import CommandT
from segue_worker.cli.output import remark
from segue_worker.config import Config, Destination
from segue_worker.observing.preview import NotAnEventError, as_event, read_event, read_json

MAX_LINE = 10_000_000
"""Bytes of a line that are read at once; an event has at most 32 KB."""

MAX_DOCUMENT = 100_000_000
"""Bytes of a JSON document that spans lines."""


def destination_option(command: CommandT) -> CommandT:
    """`--destination NAME`: handed over as `destination`, a text or None."""
    return click.option(
        "--destination",
        type=DESTINATION,
        metavar="NAME",
        help="The destination whose mappings are applied. Needed where the configuration has several.",
    )(command)


def choose_destination(config: Config, name: str | None) -> Destination:
    """The destination of that name, or the only one there is. Otherwise the command ends with exit code 2."""
    names = ", ".join(destination.name for destination in config.destinations)
    if name is None:
        if len(config.destinations) > 1:
            raise UsageFailure(f"{config.path} has several destinations: choose one with --destination ({names})")
        return config.destinations[0]
    try:
        return config.destination(name)
    except KeyError:
        raise UsageFailure(f"--destination {name}: {config.path} has no such destination; it has {names}") from None


@contextmanager
def reading(name: str) -> Iterator[None]:
    """While a file is read: one that cannot be read ends the command with a message and exit code 2."""
    try:
        yield
    except OSError as error:
        said = error.strerror or type(error).__name__
        raise UsageFailure(f"{'stdin' if name == '-' else name} cannot be read: {said}; name another file") from None


def lines_of(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file as they come, each without its line feed and at most `MAX_LINE` bytes of it."""
    with reading(getattr(file, "name", "-")):
        yield from _lines_of(file)


def _lines_of(file: IO[bytes]) -> Iterator[bytes]:
    if file.isatty():
        remark("Reading events from the terminal, one per line; end with Ctrl-D.")
    first = True
    while line := file.readline(MAX_LINE):
        rest, length = line, len(line)
        while rest and not rest.endswith(b"\n") and len(rest) == MAX_LINE:
            rest = file.readline(MAX_LINE)
            length += len(rest)
            if length > MAX_DOCUMENT:
                raise UsageFailure(f"{file.name}: a line of more than {MAX_DOCUMENT // 1_000_000} MB is no event")
        yield (line.removeprefix(b"\xef\xbb\xbf") if first else line).removesuffix(b"\n")
        first = False


def events_of(file: IO[bytes]) -> Iterator[dict[str, Any] | NotAnEventError]:
    """The events of JSON Lines, or of one JSON document: an event spread over lines, or a list of events.

    JSON Lines are handed over as they arrive. What is not an event is handed over as the error that says so.
    """
    lines = lines_of(file)
    first = next((line for line in lines if line.strip()), b"")
    if first and not _is_json(first):
        with reading(getattr(file, "name", "-")):
            text = b"\n".join([first, file.read(MAX_DOCUMENT) + file.readline()])
        lines = chain([text] if _is_json(text) else text.splitlines(), lines)
    else:
        lines = chain([first], lines)
    for line in lines:
        if line.strip():
            yield from _members(line)


def _is_json(text: bytes) -> bool:
    try:
        read_json(text)
    except NotAnEventError:
        return False
    return True


def _members(text: bytes) -> Iterator[dict[str, Any] | NotAnEventError]:
    """The events of one JSON value: of each member, if it is a list."""
    value = read_json(text) if text.lstrip().startswith(b"[") and _is_json(text) else None
    for read in [partial(as_event, member) for member in value] if value is not None else [partial(read_event, text)]:
        try:
            yield read()
        except NotAnEventError as error:
            yield error
