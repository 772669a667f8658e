"""`segue check`: report the problems of a configuration, or show what it does."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segue_worker.cli.options import config_option, json_option
from segue_worker.cli.output import counted, emit_json, emit_table, remark
from segue_worker.config import Config, Inspection, inspect_config, json_schema
from segue_worker.printable import visible

if TYPE_CHECKING:
    from segue_worker.observing.api_keys import KeyCheck


@click.command(
    epilog="Example: segue check --config segue.yaml --online",
    short_help="Report the problems of a configuration, or show what it does.",
)
@config_option
@json_option
@click.option("--schema", is_flag=True, help="Only print the JSON Schema of the configuration, for editors.")
@click.option(
    "--online", is_flag=True, help="Also ask Loops whether it accepts the API keys, and which teams they belong to."
)
def check(config: Path, *, as_json: bool, schema: bool, online: bool) -> None:
    """Read the configuration as a worker would.

    Where it has problems, prints each with file, line, path and reason, and exits with 2. Otherwise prints the
    destinations with their mappings, and exits with 0. With --online, sends one request for each API key of an enabled
    destination, and exits with 1 if Loops refuses a key.
    """
    if schema:
        emit_json(json_schema())
        return
    inspection = inspect_config(config)
    keys = _ask(inspection.config) if online and inspection.config else []
    if as_json:
        emit_json(_summary(inspection) | ({"online": [asdict(key) for key in keys]} if online else {}))
    else:
        for problem in inspection.problems:
            remark(str(problem))
        for warning in inspection.warnings:
            remark(f"warning: {warning}")
        if inspection.config is not None:
            _print(inspection.config)
        _print_keys(keys)
    if inspection.config is None:
        raise click.exceptions.Exit(2)
    if any(key.problem for key in keys):
        raise click.exceptions.Exit(1)


def _ask(config: Config) -> "list[KeyCheck]":
    from segue_worker.observing.api_keys import check_keys  # noqa: PLC0415 - reading a file needs no HTTP client

    return asyncio.run(check_keys([each for each in config.destinations if each.enabled]))


def _print_keys(keys: "Sequence[KeyCheck]") -> None:
    for key in keys:
        if key.problem:
            remark(f"{key.destination}: {key.problem}; {key.advice}")
        else:
            click.echo(
                f"{key.destination}: Loops accepts the API key; team: {visible(key.team) or '(Loops names none)'}"
            )


def _summary(inspection: Inspection) -> dict[str, Any]:
    return {
        "ok": inspection.config is not None,
        "problems": [asdict(problem) for problem in inspection.problems],
        "warnings": [asdict(warning) for warning in inspection.warnings],
        "destinations": [
            {
                "name": destination.name,
                "enabled": destination.enabled,
                "rate_limit": destination.rate_limit,
                "coalesce": destination.coalesce,
                "values": destination.values,
                "mappings": [
                    {"name": each.name, "action": each.action, "trigger": each.trigger.text, "enabled": each.enabled}
                    for each in destination.mappings
                ],
            }
            for destination in (inspection.config.destinations if inspection.config else ())
        ],
    }


def _print(config: Config) -> None:
    rows = [
        (
            destination.name if destination.enabled else f"{destination.name} (off)",
            mapping.name if mapping.enabled else f"{mapping.name} (off)",
            mapping.action,
            mapping.trigger.text,
        )
        for destination in config.destinations
        for mapping in destination.mappings
    ]
    emit_table(("destination", "mapping", "action", "trigger"), rows)
    content = f"{counted(len(config.destinations), 'destination')}, {counted(len(rows), 'mapping')}"
    remark(f"{config.path}: {content}, no problems")
