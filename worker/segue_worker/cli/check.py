"""`segue check`: report the problems of a configuration, or show what it does."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from redis import RedisError

from segue_worker.cli.options import config_option, json_option, redis_option
from segue_worker.cli.output import emit_json, emit_table, print_findings, remark
from segue_worker.config import Config, Inspection, inspect_config, json_schema
from segue_worker.printable import counted, visible

if TYPE_CHECKING:
    from segue_worker.config.problems import Problem
    from segue_worker.observing.api_keys import KeyCheck
    from segue_worker.observing.workers import Workers
    from segue_worker.operating.stranding import LiveFinding

_REDIS_WAIT_S: Final = 2.0


@click.command(
    epilog="Example: segue check --config segue.yaml --online",
    short_help="Report the problems of a configuration, or show what it does.",
)
@config_option
@json_option
@click.option("--schema", is_flag=True, help="Only print the JSON Schema of the configuration, for editors.")
@click.option(
    "--online",
    is_flag=True,
    help="Also ask Loops whether it accepts the API keys, and knows what mappings name.",
)
@click.option(
    "--live",
    is_flag=True,
    help="Also report what in Redis this configuration would strand or change.",
)
@redis_option
def check(config: Path, *, as_json: bool, schema: bool, online: bool, live: bool, redis_url: str) -> None:  # noqa: PLR0913 - its options
    """Read the configuration as a worker would.

    Where it has problems, prints each with file, line, path and reason, and exits with 2. Otherwise prints the
    destinations with their mappings, and exits with 0. With --online, asks Loops about each API key of an enabled
    destination, and about the properties, mailing lists and events that its mappings spell out, within the team's rate
    limit; and exits with 1 if Loops refuses a key, does not know a name, has it with another type, or does not answer.
    With --live, compares it with what is in Redis now and with what workers run, and exits with 1 if something would not
    be sent any more, or could not be replayed: ask before a deployment. What would only be sent by another mapping is
    reported, but does not make it fail.
    """
    if schema:
        emit_json(json_schema())
        return
    inspection = inspect_config(config)
    keys, unknown, unasked = _ask(inspection.config, redis_url) if online and inspection.config else ([], [], False)
    findings, workers = _look(inspection.config, redis_url) if live and inspection.config else ([], None)
    if as_json:
        summary = _summary(inspection) | (
            {"online": [asdict(key) for key in keys], "unknown": [asdict(each) for each in unknown]} if online else {}
        )
        if workers is not None and inspection.config is not None:
            found = [asdict(each) | {"strands": each.strands} for each in findings]
            summary["live"] = {"findings": found, "workers": workers.to_dict(), "version": inspection.config.version}
        emit_json(summary)
    else:
        _print(inspection)
        _print_keys(keys, unknown)
        _print_findings(findings)
        if workers is not None and (outdated := workers.outdated(inspection.config)):
            remark(outdated)
    if inspection.config is None:
        raise click.exceptions.Exit(2)
    if unknown or unasked or any(key.problem for key in keys) or any(each.strands for each in findings):
        raise click.exceptions.Exit(1)


def _ask(config: Config, redis_url: str) -> "tuple[list[KeyCheck], list[Problem], bool]":
    from segue_producer.clients import async_redis_client, where  # noqa: PLC0415 - reading a file needs no Redis
    from segue_worker.observing.api_keys import check_keys  # noqa: PLC0415 - nor an HTTP client
    from segue_worker.observing.online import unknown_names  # noqa: PLC0415 - same

    async def ask() -> "tuple[list[KeyCheck], list[Problem], bool]":
        async with async_redis_client(redis_url, timeout=_REDIS_WAIT_S) as redis:
            try:
                await redis.ping()
                limiter = redis
            except (RedisError, OSError):
                remark(f"{where(redis_url)} does not answer, so other senders of the team are not taken into account")
                limiter = None
            keys = await check_keys([each for each in config.destinations if each.enabled], limiter)
            if any(key.problem for key in keys):
                return keys, [], False
            unknown, unasked = await unknown_names(config, limiter, time.time_ns() // 1_000_000)
            for said in unasked:
                remark(said)
            return keys, unknown, bool(unasked)

    return asyncio.run(ask())


def _look(config: Config, redis_url: str) -> "tuple[list[LiveFinding], Workers]":
    from segue_worker.cli.store import opened  # noqa: PLC0415 - reading a file needs no Redis
    from segue_worker.operating.stranding import find_stranded  # noqa: PLC0415 - same

    with opened(redis_url) as redis:
        return find_stranded(redis, config)


def _print_findings(findings: "Sequence[LiveFinding]") -> None:
    for each in findings:
        remark(f"{each.destination}: {visible(each.text)}{'' if each.strands else ' (nothing is lost)'}")


def _print_keys(keys: "Sequence[KeyCheck]", unknown: "Sequence[Problem]") -> None:
    for key in keys:
        if key.problem:
            remark(f"{key.destination}: {key.problem}; {key.advice}")
        else:
            click.echo(
                f"{key.destination}: Loops accepts the API key; team: {visible(key.team) or '(Loops names none)'}"
            )
    for problem in unknown:
        remark(str(problem))


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


def _print(inspection: Inspection) -> None:
    print_findings(inspection)
    config = inspection.config
    if config is None:
        return
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
