"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from segue_producer.settings import DEFAULT_REDIS_URL
from segue_worker.cli.output import UTC_TIMES

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def config_option(command: CommandT) -> CommandT:
    """`--config FILE`: handed over as `config`, a path."""
    return click.option(
        "--config",
        envvar="SEGUE_CONFIG",
        default="segue.yaml",
        show_default=True,
        show_envvar=True,
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="The configuration.",
    )(command)


def json_option(command: CommandT) -> CommandT:
    """`--json`: handed over as `as_json`, a flag."""
    return click.option("--json", "as_json", is_flag=True, help="Print data as JSON.")(command)


def times_option(command: CommandT) -> CommandT:
    """`--utc`: handed over to nobody; `segue_worker.cli.output.moment` writes times in UTC then."""
    return click.option(
        "--utc",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=lambda ctx, _param, value: ctx.meta.update({UTC_TIMES: value}),
        help="Times in UTC; otherwise local, with the zone.",
    )(command)


def redis_option(command: CommandT) -> CommandT:
    """`--redis-url URL`: handed over as `redis_url`, a text."""
    return click.option(
        "--redis-url",
        envvar="SEGUE_REDIS_URL",
        default=DEFAULT_REDIS_URL,
        show_default=True,
        show_envvar=True,
        metavar="URL",
        help="The Redis that holds the outbox.",
    )(command)


def named_person(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    """The argument that names a person. An empty one, as of a variable that was not set, names nobody: refused."""
    if not value:
        raise click.BadParameter("it is empty, and names nobody; give one of the person's ids")
    return value
