"""The filters and ids that the `segue dead` commands take, and the dead letters they select."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Final

import click
from redis import Redis

from segue_worker.cli.log_options import moment_option
from segue_worker.cli.store import choose
from segue_worker.observing.destinations import KnownDestinations
from segue_worker.operating.dead_letters import Filter, in_order, matching
from segue_worker.outbox.dead_letter import REASONS

_ID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Selection:
    """Ids of dead letters of one destination, oldest first."""

    destination: str
    ids: list[str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dead letters a command is to act on, where it is not told by ids.

    Attributes:
        filter: what must hold of them.
        limit: at most so many; None for no bound.
        everything: whether `--all` was given.
    """

    filter: Filter
    limit: int | None = None
    everything: bool = False

    @property
    def narrowed(self) -> bool:
        """Whether a filter or a limit was given."""
        return self.filter != Filter() or self.limit is not None


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--reason`, `--since`, `--event`, `--contact`, `--mapping`, `--group`, `--limit`, `--all`: handed over as `wanted`, a Wanted."""

    @cause_options
    @click.option("--contact", help="Only of this contact: userId, else email, else anonymousId.")
    @click.option("--group", metavar="GROUP", help="Only of this cause; segue dead groups shows them.")
    @click.option("--limit", type=click.IntRange(1), metavar="N", help="At most N, oldest first.")
    @wraps(command)
    def with_filter(*args: Any, wanted: Filter, **options: Any) -> Any:
        whole = replace(wanted, contact=options.pop("contact"), group=options.pop("group"))
        return command(*args, wanted=Wanted(whole, options.pop("limit"), options.pop("everything", False)), **options)

    return with_filter


def cause_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--reason`, `--since`, `--event`, `--mapping`: handed over as `wanted`, a Filter."""

    @click.option("--reason", type=click.Choice(list(REASONS)), help="Only with this reason.")
    @click.option(
        "--since",
        "since_ms",
        metavar="WHEN",
        callback=moment_option,
        help="Only those given up in the last 2h or 7d, or since a time such as 2026-01-31T12:00.",
    )
    @click.option("--event", metavar="NAME", help="Only with a track event of this name, or with an identify.")
    @click.option("--mapping", metavar="NAME", help="Only of this mapping.")
    @wraps(command)
    def with_filter(*args: Any, **options: Any) -> Any:
        fields = {name: options.pop(name) for name in ("since_ms", "reason", "event", "mapping")}
        return command(*args, wanted=Filter(**fields), **options)

    return with_filter


def split_names(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """Tell `[DESTINATION] [ID]...` apart: an id has 32 hexadecimal digits."""
    ids = [name for name in arguments if _ID.fullmatch(name)]
    names = [name for name in arguments if name not in ids]
    if len(names) > 1:
        raise click.UsageError(f"{' '.join(names)}: one destination at most; an id has 32 hexadecimal digits")
    return (names[0] if names else None), list(dict.fromkeys(ids))


def select(
    redis: "Redis", known: KnownDestinations, arguments: Sequence[str], wanted: Wanted, *, chosen: str | None = None
) -> tuple[list[Selection], list[str]]:
    """Find the dead letters that `[DESTINATION] [ID]...` and the filters select.

    Args:
        redis: client that answers bytes.
        known: the destinations there are.
        arguments: `[DESTINATION] [ID]...`.
        wanted: the filters.
        chosen: the mapping that a replay is for, which selects letters whose mapping is gone too, and may stand beside ids.

    Returns:
        what was found; and the ids of which there is no dead letter.

    Raises:
        click.UsageError: neither ids nor filters nor `--all` were given, or several of them.
    """
    name, ids = split_names(arguments)
    if ids and chosen and wanted == Wanted(Filter(mapping=chosen)):
        return locate(redis, known, name, ids)
    if ids and (wanted.narrowed or wanted.everything):
        raise click.UsageError("give either ids, or filters, or --all")
    if ids:
        return locate(redis, known, name, ids)
    if not wanted.narrowed and not wanted.everything:
        raise click.UsageError("give ids, or filters, or --all")
    destination = choose(redis, known, name)
    names = {m.name for each in (known.config.destinations if known.config else ()) for m in each.mappings}
    filters = replace(wanted.filter, or_without=frozenset(names)) if chosen else wanted.filter
    return [Selection(destination, [each.id for each in matching(redis, destination, filters, wanted.limit)])], []


def locate(
    redis: "Redis", known: KnownDestinations, name: str | None, ids: Sequence[str]
) -> tuple[list[Selection], list[str]]:
    """Find dead letters by id, at the named destination or at any. Returns them, and the ids that were not found."""
    names = known.names if name is None else (choose(redis, known, name),)
    found = [Selection(each, in_order(redis, each, ids)) for each in names]
    there = {letter_id for selection in found for letter_id in selection.ids}
    return [selection for selection in found if selection.ids], [each for each in ids if each not in there]
