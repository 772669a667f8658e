"""`segue dead`: group, list, show, replay and delete dead letters."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click
from redis import Redis
from rich.console import Console
from rich.progress import Progress

from segue_producer.clients import broker_url
from segue_producer.hints import Hints
from segue_producer.lanes import LANE_NAMES, Lane
from segue_worker.cli.completion import DESTINATION
from segue_worker.cli.dead_groups import groups
from segue_worker.cli.dead_options import Selection, Wanted, filter_options, locate, select, split_names
from segue_worker.cli.dead_output import COLUMNS, details, page, row, summary
from segue_worker.cli.group import CommandFailure
from segue_worker.cli.options import config_option, json_option, redis_option, times_option
from segue_worker.cli.output import at_terminal, confirm, emit, emit_json, emit_table, remark
from segue_worker.cli.store import choose, name_damaged, opened
from segue_worker.config import Config
from segue_worker.mapping import CompiledMapping
from segue_worker.observing.destinations import KnownDestinations, known_destinations
from segue_worker.operating.dead_letters import (
    Chooser,
    History,
    NotReplayable,
    Replayed,
    drop,
    in_order,
    matching,
    prepare_replay,
    read_letters,
    replay,
)
from segue_worker.printable import counted

SHOWN: Final = 100
"""Letters in a table unless --limit says otherwise."""


@click.group(
    epilog="Example: segue dead list --reason refused --since 2h",
    short_help="Group, list, show, replay or delete dead letters.",
)
def dead() -> None:
    """Dead letters are requests and events that were given up for good."""


dead.add_command(groups)


@dead.command(
    "list",
    short_help="List dead letters.",
    epilog='Example: segue dead list loops --event "User Registered" --since 2h',
)
@click.argument("destination", required=False, type=DESTINATION)
@click.option("--reveal", is_flag=True, help="Show contacts, and what answers quote of them, instead of masking them.")
@filter_options
@times_option
@config_option
@redis_option
@json_option
def list_letters(  # noqa: PLR0913 - one parameter per option is click's shape
    destination: str | None, *, reveal: bool, wanted: Wanted, config: Path, redis_url: str, as_json: bool
) -> None:
    """List the dead letters of DESTINATION, oldest first. It may be left out where there is only one destination.

    Personal data is masked, and requests, answers and events are not shown here; segue dead show shows them.
    """
    with opened(redis_url) as redis:
        name = choose(redis, known_destinations(redis, config), destination)
        found = matching(redis, name, wanted.filter, wanted.limit)
        if as_json:
            emit_json([summary(letter, name, reveal=reveal) for letter in found])
            return
        rows = [row(letter, reveal=reveal) for letter in islice(found, wanted.limit or SHOWN)]
        more = next(found, None) is not None
    if not rows:
        remark(f"{name}: no dead letter matches" if wanted.narrowed else f"{name}: there are no dead letters")
        return
    emit_table(COLUMNS, rows, numbers=["attempts"])
    if more:
        remark(f"Only the oldest {SHOWN} are shown; use --limit to show more")


@dead.command(
    short_help="Show dead letters in full.", epilog="Example: segue dead show 0123456789abcdef0123456789abcdef"
)
@click.argument("arguments", nargs=-1, required=True, metavar="[DESTINATION] ID...", type=DESTINATION)
@times_option
@config_option
@redis_option
@json_option
def show(arguments: Sequence[str], *, config: Path, redis_url: str, as_json: bool) -> None:
    """Show dead letters in full: reason, request, answer and events, personal data included."""
    name, ids = split_names(arguments)
    if not ids:
        raise click.UsageError("give an id of 32 hexadecimal digits; segue dead list shows them")
    with opened(redis_url) as redis:
        known = known_destinations(redis, config)
        selections, missing = locate(redis, known, name, ids)
        if missing and name is None:
            name_damaged(known)
        letters = [
            (selection.destination, letter)
            for selection in selections
            for letter in read_letters(redis, selection.destination, selection.ids)
        ]
    if as_json:
        emit_json([details(letter, destination) for destination, letter in letters])
    else:
        for place, (destination, letter) in enumerate(letters):
            emit(f"\n{page(letter, destination)}" if place else page(letter, destination))
    _fail_for(missing)


def _selecting(command: Any) -> Any:
    """Add the arguments and options that replay and drop share."""
    for option in (
        json_option,
        redis_option,
        config_option,
        times_option,
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--dry-run", is_flag=True, help="Only report what would be done."),
        click.option("--all", "everything", is_flag=True, help="Every dead letter of the destination."),
        filter_options,
        click.argument("arguments", nargs=-1, metavar="[DESTINATION] [ID]...", type=DESTINATION),
    ):
        command = option(command)
    return command


@dead.command(
    "replay",
    short_help="Send the events of dead letters again.",
    epilog="Example: segue dead replay loops --reason refused --since 2h --dry-run",
)
@click.option(
    "--lane",
    type=click.Choice(LANE_NAMES),
    default="bulk",
    show_default=True,
    help="live: before bulk events; bulk: behind live ones.",
)
@_selecting
def replay_letters(  # noqa: PLR0913 - one parameter per option is click's shape
    arguments: Sequence[str],
    *,
    wanted: Wanted,
    lane: Lane,
    dry_run: bool,
    yes: bool,
    config: Path,
    redis_url: str,
    as_json: bool,
) -> None:
    """Send the events of dead letters again: by id, by filter, or with --all every one of DESTINATION.

    The events go to the end of their contact's outbox, oldest first, with new Idempotency-Keys, and wait behind all that is
    live unless --lane says otherwise. They are sent for the mappings that failed, as those are configured now. If such a
    mapping is gone, because it was renamed, they are sent for the mappings that match now and have not delivered them.
    --mapping names the mapping for letters whose own is gone, or for any letters given by id. Letters that cannot be
    replayed are named, with the reason.

    Where a newer update of a contact was delivered since, a warning says so: a replay may bring back older values.
    """
    results: list[Replayed] = []
    with opened(redis_url) as redis:
        known = known_destinations(redis, config)
        chosen = _chosen_mapping(known.config, wanted)
        selections, missing = select(redis, known, arguments, wanted, chosen=chosen)
        if not dry_run and not yes and at_terminal() and _count(selections):
            _warn(list(_replaying(redis, known, selections, None, chosen)))
            confirm(_question("Replay", selections), yes=yes)
        hints = None if dry_run else Hints(broker_url(redis=redis_url))
        try:
            # One by one, so that it is known how far it came.
            replaying = _replaying(redis, known, selections, hints, chosen, lane=lane)
            for result in _with_progress(replaying, _count(selections)):
                results.append(result)  # noqa: PERF402 - see above
        except KeyboardInterrupt:
            left = sum(len(in_order(redis, each.destination, each.ids)) for each in selections)
            done = counted(_count(selections) - left, "dead letter")
            raise CommandFailure(
                f"Interrupted: {done} replayed, {left:,} not; the same command goes on with these"
            ) from None
    seen = {result.id for result in results}
    ids = (letter_id for selection in selections for letter_id in selection.ids)
    results += [Replayed(letter_id, "gone") for letter_id in ids if letter_id not in seen]
    _report_replay(results, dry_run=dry_run, as_json=as_json)
    _fail_for(missing)
    if any(result.outcome == "refused" for result in results):
        raise click.exceptions.Exit(1)


@dead.command("drop", short_help="Delete dead letters.", epilog="Example: segue dead drop loops --reason invalid --yes")
@_selecting
def drop_letters(  # noqa: PLR0913 - one parameter per option is click's shape
    arguments: Sequence[str],
    *,
    wanted: Wanted,
    dry_run: bool,
    yes: bool,
    config: Path,
    redis_url: str,
    as_json: bool,
) -> None:
    """Delete dead letters: by id, by filter, or with --all every one of DESTINATION. This cannot be undone."""
    with opened(redis_url) as redis:
        known = known_destinations(redis, config)
        selections, missing = select(redis, known, arguments, wanted)
        count = _count(selections)
        if not dry_run:
            if count:
                confirm(_question("Delete", selections), yes=yes)
            count = sum(sum(drop(redis, selection.destination, selection.ids)) for selection in selections)
    if as_json:
        emit_json({"dry_run": dry_run, "dropped": count})
    else:
        letters = counted(count, "dead letter")
        remark(f"{letters} would be deleted" if dry_run else f"Deleted {letters}")
    _fail_for(missing)


def _replaying(  # noqa: PLR0913 - what a replay is
    redis: "Redis",
    known: KnownDestinations,
    selections: Iterable[Selection],
    hints: Hints | None,
    chosen: str | None,
    *,
    lane: Lane = "bulk",
) -> Iterator[Replayed]:
    """Replay what was selected, or only find out what would become of it where there are no hints to send."""
    for selection in selections:
        name = selection.destination
        letters = read_letters(redis, name, selection.ids)
        chooser = Chooser(_mappings(known.config, name), History(redis, name), chosen)
        if hints is not None:
            yield from replay(redis, name, letters, send_hint=hints.send, chooser=chooser, lane=lane)
            continue
        for letter in letters:
            item = prepare_replay(letter, chooser)
            if isinstance(item, NotReplayable):
                yield Replayed(letter.id, "refused", item.why)
            else:
                yield Replayed(letter.id, "replayed", newer=item.newer)


def _mappings(config: Config | None, destination: str) -> Sequence[CompiledMapping] | None:
    """The destination's mappings, or None where the configuration is not at hand."""
    for item in config.destinations if config else ():
        if item.name == destination:
            return item.mappings
    return None


def _chosen_mapping(config: Config | None, wanted: Wanted) -> str | None:
    """The mapping of `--mapping`, if it is one of today: then it does not only select, but is sent for."""
    name = wanted.filter.mapping
    names = {mapping.name for item in (config.destinations if config else ()) for mapping in item.mappings}
    return name if name in names else None


def _warn(results: Sequence[Replayed]) -> None:
    if outdated := [result for result in results if result.newer]:
        letters = counted(len(outdated), "dead letter")
        remark(
            f"warning: {letters}, of which the contact has had a newer update delivered since, for example {outdated[0].id} "
            f"before messageId {outdated[0].newer}: replayed, older values come back"
        )


def _with_progress(results: Iterable[Replayed], total: int) -> Iterator[Replayed]:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("replaying", total=total)
        for result in results:
            progress.advance(task)
            yield result


def _report_replay(results: Sequence[Replayed], *, dry_run: bool, as_json: bool) -> None:
    replayed = [result.id for result in results if result.outcome == "replayed"]
    gone = [result.id for result in results if result.outcome == "gone"]
    refused = [result for result in results if result.outcome == "refused"]
    if as_json:
        reasons = [{"id": result.id, "reason": result.why} for result in refused]
        outdated = [{"id": result.id, "newer": result.newer} for result in results if result.newer]
        emit_json({"dry_run": dry_run, "replayed": replayed, "gone": gone, "refused": reasons, "outdated": outdated})
        return
    _warn(results)
    for result in refused:
        remark(f"{result.id} cannot be replayed: {result.why}")
    for letter_id in gone:
        remark(f"{letter_id} no longer exists: somebody else replayed or deleted it")
    letters = counted(len(replayed), "dead letter")
    remark(f"{letters} would be replayed" if dry_run else f"Replayed {letters}")


def _question(what: str, selections: Sequence[Selection]) -> str:
    names = ", ".join(selection.destination for selection in selections)
    return f"{what} {counted(_count(selections), 'dead letter')} of {names}?"


def _count(selections: Iterable[Selection]) -> int:
    return sum(len(selection.ids) for selection in selections)


def _fail_for(missing: Sequence[str]) -> None:
    if missing:
        raise CommandFailure("\n".join(f"there is no dead letter {letter_id}" for letter_id in missing))
