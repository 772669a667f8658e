"""`segue doctor`: check once everything that delivery needs."""

from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from segue_producer.clients import broker_url
from segue_worker.cli.fitting import fitted, terminal_width
from segue_worker.cli.options import config_option, json_option, redis_option
from segue_worker.cli.output import emit_json
from segue_worker.cli.store import opened
from segue_worker.config import inspect_config
from segue_worker.observing.doctor import examine
from segue_worker.observing.finding import Finding, Level
from segue_worker.printable import visible

_COLOURS: Final = {Level.OK: "green", Level.WARNING: "yellow", Level.FAULT: "red"}


@click.command(
    epilog="Example: segue doctor --config segue.yaml", short_help="Find out what keeps events from being delivered."
)
@config_option
@redis_option
@json_option
def doctor(config: Path, redis_url: str, *, as_json: bool) -> None:
    """Check everything that delivery needs, and say what to do about each fault.

    Checked are Redis (whether it answers and takes writes, its version, eviction policy and persistence), the broker, the
    workers, the sweep, whether the workers' configuration is that of the file, and each API key, for which one request is
    sent to Loops. Exits with 1 on a fault and with 2 where the configuration has problems. Warnings do not count as faults.
    """
    inspection = inspect_config(config)
    findings = []
    with opened(redis_url) as redis:
        for finding in examine(redis, redis_url, broker_url(redis=redis_url), inspection):
            findings.append(finding)
            if not as_json:
                _show(finding)
    if as_json:
        healthy = all(finding.level is not Level.FAULT for finding in findings)
        emit_json({"healthy": healthy, "findings": [asdict(finding) for finding in findings]})
    if inspection.config is None:
        raise click.exceptions.Exit(2)
    if any(finding.level is Level.FAULT for finding in findings):
        raise click.exceptions.Exit(1)


def _show(finding: Finding) -> None:
    level = f"{finding.level:<7}"
    text = fitted(f"{level}  {finding.subject}: {visible(str(finding))}", terminal_width())
    styled = click.style(level, fg=_COLOURS[finding.level], bold=finding.level is Level.FAULT)
    click.echo(styled + text.removeprefix(level))
