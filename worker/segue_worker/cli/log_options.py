"""The filters that `segue tail` and `segue trace --contact` take."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any

import click

from segue_worker.cli.output import UTC_TIMES
from segue_worker.observing.log_lines import NO_ANSWER, LogFilter, read_status
from segue_worker.operating.dead_letters import parse_since

_FIELDS = ("outcomes", "events", "mappings", "statuses", "since_ms", "until_ms")


def log_filter_options(outcomes: tuple[str, ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--outcome`, `--event`, `--mapping`, `--status`, `--since`, `--until`: handed over as `wanted`, a LogFilter."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            *("--outcome", "outcomes"), multiple=True, type=click.Choice(outcomes), help="Only with this outcome."
        )
        @click.option(
            *("--event", "events"), multiple=True, metavar="NAME", help="Only of this name; identify for an identify."
        )
        @click.option("--mapping", "mappings", multiple=True, metavar="NAME", help="Only of this mapping.")
        @click.option(
            *("--status", "statuses"),
            multiple=True,
            metavar="STATUS",
            callback=_statuses,
            help=f"Only with this answer: 429, 5xx, or {NO_ANSWER} where none came.",
        )
        @click.option(
            "--since", "since_ms", metavar="WHEN", callback=moment_option, help="Since 2h ago, or 2026-01-31T12:00."
        )
        @click.option("--until", "until_ms", metavar="WHEN", callback=moment_option, help="Until then.")
        @wraps(command)
        def with_filter(*args: Any, **options: Any) -> Any:
            wanted = LogFilter(**{name: options.pop(name) for name in _FIELDS})
            since, until = wanted.since_ms, wanted.until_ms
            if since is not None and until is not None and since > until:
                raise click.UsageError("--since is later than --until: nothing can lie between them")
            return command(*args, wanted=wanted, **options)

        return with_filter

    return decorate


def moment_option(ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """Unix ms of a span before now, or of a time: where it names no zone local, and UTC with `--utc`."""
    if value is None:
        return None
    now = datetime.now(UTC)
    try:
        return parse_since(value, now if ctx.meta.get(UTC_TIMES) else now.astimezone())
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _statuses(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(map(read_status, values))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
