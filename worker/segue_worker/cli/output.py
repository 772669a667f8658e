"""How commands print: data to stdout, as a table or as JSON; remarks for people to stderr.

Both may quote what senders and servers wrote, so control characters are replaced by escapes here.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click
import orjson
from rich.console import Console, RenderableType

from segue_worker.cli.fitting import fitted, terminal_width
from segue_worker.cli.group import UsageFailure
from segue_worker.cli.tables import table
from segue_worker.printable import visible_json, visible_lines

if TYPE_CHECKING:
    from segue_worker.config import Inspection

UTC_TIMES: Final = "segue.utc"
"""In the context of a command: whether `--utc` was given."""
_WIDTH_OF_A_PIPE: Final = 100_000
"""So that a line stays a line."""


def emit_json(value: Any) -> None:
    """Print a value as one line of JSON to stdout."""
    try:
        text = orjson.dumps(value)
    except orjson.JSONEncodeError:
        # An event may be nested as deep as orjson writes, and here stands in something else.
        text = json.dumps(value, ensure_ascii=False).encode()
    emit_json_text(text)


def emit_json_text(text: bytes) -> None:
    """Print a line of JSON to stdout."""
    click.echo(visible_json(text.decode()))


def emit(text: str) -> None:
    """Print text for people to stdout."""
    click.echo(fitted(visible_lines(text), terminal_width()))


def emit_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Iterable[str] = ()) -> None:
    """Print a table to stdout.

    Args:
        columns: the headings.
        rows: the cells of each line, printed as they are (no markup).
        numbers: the columns set to the right.
    """
    show(table(columns, list(rows), numbers=frozenset(numbers), width=terminal_width()))


def show(content: RenderableType) -> None:
    """Print what `segue_worker.cli.tables.table` made, or several of them, to stdout."""
    Console(width=terminal_width() or _WIDTH_OF_A_PIPE).print(content)


def moment(ms: float, *, precise: bool = False) -> str:
    """A time for people, of unix ms: local, with the zone; in UTC with `--utc`. It can be copied into options like `--since`.

    `precise`: to the millisecond, otherwise to the second.
    """
    context = click.get_current_context(silent=True)
    at = datetime.fromtimestamp(ms / 1000, UTC)
    timespec = "milliseconds" if precise else "seconds"
    shown = at if context is not None and context.meta.get(UTC_TIMES) else at.astimezone()
    return shown.isoformat(timespec=timespec).replace("+00:00", "Z")


def moment_of(text: str) -> str:
    """The same of a time as JSON has it: in UTC, to the millisecond or the second."""
    return moment(datetime.fromisoformat(text).timestamp() * 1000, precise="." in text)


def remark(text: str) -> None:
    """Print a remark to stderr."""
    click.echo(fitted(visible_lines(text), terminal_width(err=True)), err=True)


def print_findings(inspection: "Inspection") -> None:
    """Print what is wrong with a configuration, and what it is warned of, to stderr."""
    for problem in inspection.problems:
        remark(str(problem))
    for warning in inspection.warnings:
        remark(f"warning: {warning}")


@contextmanager
def listening(host: str, port: int) -> Iterator[None]:
    """While a server runs: Ctrl-C is the usual way to end it, and an address that is taken is told in one line."""
    try:
        with suppress(KeyboardInterrupt):
            yield
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from None


def at_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone, unless `--yes` was given. Without a terminal that is needed: exit code 2."""
    if yes:
        return
    if not at_terminal():
        raise UsageFailure("Add --yes: this cannot be undone, and without a terminal nobody can be asked")
    click.confirm(question, abort=True, err=True)
