"""`segue init`: write a first configuration, from a few questions or options."""

import os
import re
import sys
from pathlib import Path
from typing import Any, Final

import click

from segue_producer.keys import DESTINATION_NAME
from segue_worker.cli.group import CommandFailure, UsageFailure
from segue_worker.cli.options import config_option
from segue_worker.cli.output import print_findings, remark
from segue_worker.config import inspect_config
from segue_worker.config.starter import Starter

_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]*")
_KEY_VARIABLE: Final = "LOOPS_API_KEY"
_SOURCE_VARIABLE: Final = "SEGUE_WRITE_KEY"
_EXAMPLE = """\b
Example:
  segue init
  segue init --name loops --api-key-file loops_api_key
  segue init --base-url http://127.0.0.1:8700/api/v1 --source SEGUE_WRITE_KEY
"""

_NEXT: Final = """\
Then:
  segue check --online                does Loops accept the key, and whose is it?
  segue send --identify u1 --traits '{"email": "you@example.com"}'
                                      send one contact, and show what Loops answers
  celery -A segue_worker worker -B    delivers what services enqueue"""


def _name(_ctx: click.Context | None, _param: click.Parameter | None, value: str) -> str:
    if not DESTINATION_NAME.fullmatch(value):
        raise click.BadParameter("a name has lower case letters, digits, - and _, at most 64")
    return value


def _variable(_ctx: click.Context | None, _param: click.Parameter | None, value: str) -> str:
    """Check a variable's name. Small letters are refused, so that a key pasted here does not get into the file."""
    if not _VARIABLE.fullmatch(value):
        raise click.BadParameter(
            f"give the name of an environment variable, like {_KEY_VARIABLE}: capital letters, digits and _. "
            "The key itself does not belong in the file"
        )
    return value


def _variables(_ctx: click.Context | None, _param: click.Parameter | None, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_variable(None, None, value) for value in dict.fromkeys(values))


@click.command(epilog=_EXAMPLE, short_help="Write a first configuration.")
@config_option
@click.option("--name", callback=_name, default="loops", show_default=True, help="Name of the destination.")
@click.option(
    "--api-key-variable",
    callback=_variable,
    default=_KEY_VARIABLE,
    show_default=True,
    metavar="NAME",
    help="Environment variable that holds the Loops API key.",
)
@click.option(
    "--api-key-file",
    metavar="FILE",
    help="File that holds the API key, in place of a variable; relative to the configuration.",
)
@click.option("--base-url", metavar="URL", help="Address of the API, where it is not Loops itself: a sandbox.")
@click.option(
    "--source",
    "sources",
    callback=_variables,
    multiple=True,
    metavar="NAME",
    help="Environment variable that holds a write key of the Tracking API; may be repeated.",
)
@click.option("--yes", is_flag=True, help="Write over a file without asking.")
@click.pass_context
def init(context: click.Context, /, *, config: Path, yes: bool, **chosen: Any) -> None:
    """Write a first configuration: one destination with the two default mappings, and sources.

    On a terminal it asks, unless options say what to write. Keys are never written into the file, only where they are
    to be found. The file is then checked as by segue check: exits with 1 if it has problems.
    """
    by_hand = any(context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE for name in chosen)
    asking = sys.stdin.isatty()
    _may_write(config, yes=yes, asking=asking)
    starter = Starter(**(_asked() if asking and not by_hand else chosen))
    try:
        config.write_text(starter.text(), encoding="utf-8")
    except OSError as error:
        raise CommandFailure(f"{config} cannot be written: {error.strerror}; name another file with --config") from None
    remark(f"Wrote {config}")
    sound = _is_sound(config, starter)
    _say_next(config, starter)
    if not sound:
        raise click.exceptions.Exit(1)


def _may_write(config: Path, *, yes: bool, asking: bool) -> None:
    if yes or not config.exists():
        return
    if not asking:
        raise UsageFailure(f"{config} exists: name another with --config, or add --yes to write over it")
    click.confirm(f"{config} exists. Write over it?", abort=True, err=True)


def _asked() -> dict[str, Any]:
    """Ask for what to write."""
    name = click.prompt("Name of the destination", "loops", value_proc=lambda value: _name(None, None, value), err=True)
    kept = click.Choice(["variable", "file"])
    from_file = click.prompt("The Loops API key comes from a", "variable", type=kept, err=True) == "file"
    answers: dict[str, Any] = {"name": name, "api_key_variable": _KEY_VARIABLE}
    if from_file:
        answers["api_key_file"] = click.prompt("Path of the file", "loops_api_key", err=True)
    else:
        answers["api_key_variable"] = _ask_variable("Name of the variable", _KEY_VARIABLE)
    if click.confirm("Will services send with Segment's or RudderStack's SDKs?", err=True):
        answers["sources"] = (_ask_variable("Variable that holds their write key", _SOURCE_VARIABLE),)
    return answers


def _ask_variable(question: str, default: str) -> str:
    answer: str = click.prompt(question, default, value_proc=lambda value: _variable(None, None, value), err=True)
    return answer


def _is_sound(config: Path, starter: Starter) -> bool:
    """Whether a worker would accept it once the variables are set. Prints problems as `segue check` does."""
    inspection = inspect_config(config, {**{name: f"not-set-{name}" for name in starter.variables}, **os.environ})
    print_findings(inspection)
    return inspection.config is not None


def _say_next(config: Path, starter: Starter) -> None:
    unset = [name for name in starter.variables if not os.environ.get(name)]
    lines = [f"  export {name}=…" for name in unset]
    if os.environ.get("SEGUE_CONFIG", "segue.yaml") != str(config):
        lines.append(f"  export SEGUE_CONFIG={config}")
    if lines:
        remark("\n".join(["First:", *lines]))
    remark(_NEXT)
