"""`segue dashboard`: a web page that shows what happens to events."""

import logging
import os
from pathlib import Path
from typing import Final

import click

from segue_producer.clients import broker_url
from segue_producer.hints import Hints
from segue_worker import logs
from segue_worker.cli.group import UsageFailure
from segue_worker.cli.options import config_option, redis_option
from segue_worker.cli.output import listening
from segue_worker.cli.store import connect
from segue_worker.config import read_bounded

TOKEN_VARIABLE: Final = "SEGUE_DASHBOARD_TOKEN"  # noqa: S105 - a variable's name
READY_LINE: Final = "dashboard ready at "
_LARGEST_TOKEN: Final = 10_000
_EXAMPLE = """\b
Example:
  export SEGUE_DASHBOARD_TOKEN=$(openssl rand -hex 24)
  segue dashboard --config segue.yaml
"""


@click.command(epilog=_EXAMPLE, short_help="Serve a dashboard: overview, retries, dead letters, mappings, look-up.")
@click.option("--port", type=click.IntRange(0, 65535), default=8720, show_default=True, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help=f"File that holds the token to sign in with. Default: what {TOKEN_VARIABLE} holds.",
)
@click.option(
    "--public-url",
    envvar="SEGUE_DASHBOARD_URL",
    show_envvar=True,
    metavar="URL",
    default="",
    help="The address that people see, behind a proxy: https://segue.example.com.",
)
@click.option(
    "--forwarded-allow-ips",
    envvar="FORWARDED_ALLOW_IPS",
    show_envvar=True,
    metavar="LIST",
    default="127.0.0.1, ::1",
    show_default=True,
    help="Addresses and networks of proxies, between commas: they are believed in X-Forwarded-For and "
    "X-Forwarded-Proto. * believes everybody, who can then guess tokens under any address.",
)
@config_option
@redis_option
def dashboard(  # noqa: PLR0913 - one parameter per option is click's shape
    *,
    port: int,
    host: str,
    token_file: Path | None,
    public_url: str,
    forwarded_allow_ips: str,
    config: Path,
    redis_url: str,
) -> None:
    """Serve the dashboard.

    People sign in with a token of at least 16 characters; without a token the dashboard does not start. It is served
    over plain HTTP: to reach it from another machine, put an HTTPS proxy in front of it, or use a tunnel. /healthz and
    /metrics need no token.
    """
    from segue_worker.dashboard import Dashboard, create_app  # noqa: PLC0415 - needs the extra `dashboard`
    from segue_worker.dashboard.proxy import origin_of, trusted_proxies  # noqa: PLC0415 - same
    from segue_worker.dashboard.server import serve  # noqa: PLC0415 - same
    from segue_worker.dashboard.sessions import Sessions  # noqa: PLC0415 - same

    logs.to_stderr(logging.WARNING)
    try:
        sessions = Sessions(_token(token_file))
    except ValueError as error:
        raise UsageFailure(f"{error}: make one with openssl rand -hex 24") from None
    try:
        origin = origin_of(public_url) if public_url else ""
    except ValueError as error:
        raise UsageFailure(f"--public-url {public_url}: {error}") from None
    try:
        proxies = trusted_proxies(forwarded_allow_ips)
    except ValueError as error:
        raise UsageFailure(f"--forwarded-allow-ips: {error}") from None
    with connect(redis_url) as redis:
        hints = Hints(broker_url(redis=redis_url))
        board = Dashboard(redis, config, sessions, hints.send, public_origin=origin)
        board.inspect(config)
        with listening(host, port):
            app = create_app(board)
            serve(app, host, port, lambda url: click.echo(f"{READY_LINE}{url}", err=True), proxies=proxies)


def _token(file: Path | None) -> str:
    try:
        read = read_bounded(file, _LARGEST_TOKEN).decode() if file else os.environ.get(TOKEN_VARIABLE, "")
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageFailure(f"{file} cannot be read: {said}") from None
    token = read.strip()
    if len(token) > _LARGEST_TOKEN:
        raise UsageFailure(f"{file} is too large for a token")
    if not token:
        where = f"{file} is empty" if file else f"{TOKEN_VARIABLE} is not set"
        raise UsageFailure(f"There is no token to sign in with: {where}. Set it, or name a --token-file")
    return token
