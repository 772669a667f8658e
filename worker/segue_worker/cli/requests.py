"""Prints requests that mappings made, and why other mappings made none."""

import json
from contextlib import suppress

import click
from rich.console import Console
from rich.highlighter import JSONHighlighter

from segue_worker.cli.output import emit_table
from segue_worker.mapping import Request, encode_body
from segue_worker.observing.preview import Preview, remarks
from segue_worker.printable import visible, visible_json
from segue_worker.schema.sent import SentKeys


def show_preview(found: Preview, sent: SentKeys | None = None) -> None:
    """Print requests with their bodies, then a table of the mappings that make none."""
    for request in found.requests:
        show_request(request, sent)
    for reason in found.errors:
        show_problem("error", f"{reason.mapping}: {reason.reason}")
    if found.skipped:
        emit_table(("skipped", "because"), found.skipped)


def show_request(request: Request, sent: SentKeys | None = None) -> None:
    """Print a request, and what was done about values that Loops is known to refuse."""
    click.echo(f"{click.style(f'{request.method} {request.path}', fg='green')}  {request.mapping}")
    body = encode_body(request.body).decode()
    # One that is nested too deeply is shown as its line.
    with suppress(RecursionError):
        body = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    Console().print(JSONHighlighter()(visible_json(body)), soft_wrap=True)
    for remark in remarks(request, sent):
        show_problem("warning", remark)


def show_problem(kind: str, text: str) -> None:
    """Print an `error` or a `warning` on one line."""
    click.echo(f"{click.style(kind, fg='red' if kind == 'error' else 'yellow')}: {visible(text)}")
