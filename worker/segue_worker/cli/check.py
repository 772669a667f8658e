"""`segue check`: what is wrong with a configuration, or what it does."""

from collections.abc import Sized
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from segue_worker.cli.options import config_option, json_option
from segue_worker.cli.output import emit_json, emit_table, remark
from segue_worker.config import Config, Inspection, inspect_config, json_schema


@click.command(
    epilog="Example: segue check --config segue.yaml",
    short_help="Say what is wrong with a configuration, or what it does.",
)
@config_option
@json_option
@click.option(
    "--schema", is_flag=True, help="Print the JSON Schema of the configuration, for editors, and look at no file."
)
def check(config: Path, *, as_json: bool, schema: bool) -> None:
    """Read the configuration as a worker would.

    Prints every problem with file, line, path and reason, and exits 2; or the destinations with their mappings, and exits 0.
    """
    if schema:
        emit_json(json_schema())
        return
    inspection = inspect_config(config)
    if as_json:
        emit_json(_summary(inspection))
    else:
        for problem in inspection.problems:
            remark(str(problem))
        for warning in inspection.warnings:
            remark(f"warning: {warning}")
        if inspection.config is not None:
            _print(inspection.config)
    if inspection.config is None:
        raise click.exceptions.Exit(2)


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
    counted = f"{_count(config.destinations, 'destination')}, {_count(rows, 'mapping')}"
    remark(f"{config.path}: {counted}, no problems")


def _count(things: Sized, name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"
