"""`segue sandbox`: serve the stand-in for Loops on a port."""

import click

from segue_sandbox.address import READY_LINE
from segue_sandbox.core import Sandbox
from segue_sandbox.switches import SwitchError, Switches, parse_assignments
from segue_worker.cli.output import listening

_EXAMPLE = """\b
Example:
  segue sandbox --port 8700 --rate-limit 10 --fail 0.05 --seed 1
  curl -X PUT http://127.0.0.1:8700/api/v1/contacts/update \\
       -H 'Authorization: Bearer sandbox-demo' -H 'Content-Type: application/json' \\
       -d '{"email": "ada@example.com", "plan": "pro"}'
  curl http://127.0.0.1:8700/_sandbox/requests
"""


@click.command(epilog=_EXAMPLE)
@click.option("--port", type=click.IntRange(0, 65535), default=8700, show_default=True, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--rate-limit", type=click.IntRange(1), default=10, show_default=True, help="Requests in any one second per team."
)
@click.option(
    "--window",
    type=click.Choice(["sliding", "fixed"]),
    default="sliding",
    show_default=True,
    help="Count the limit over any one second, or over the clock's seconds.",
)
@click.option(
    "--latency-ms", type=click.FloatRange(0), default=0, show_default=True, help="How long every answer takes."
)
@click.option(
    "--fail",
    type=click.FloatRange(0, 1),
    default=0,
    show_default=True,
    help="Share of requests that fail at random: 429, 500, 502/503/504, connection dropped, answer lost.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Seed of the random failures; the same seed gives the same failures.",
)
@click.option(
    "--api-key",
    "api_keys",
    multiple=True,
    metavar="KEY[=TEAM]",
    help="A key to accept; may be repeated. Default: any key that starts with sandbox- ; what follows is the team's "
    "name, and sandbox-TEAM.ANYTHING is another key of the same team.",
)
@click.option(
    "--switch",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="Behaviour that Loops does not document, as unknown_list=ignore; may be repeated. "
    "GET /_sandbox/switches lists all of them.",
)
def sandbox(  # noqa: PLR0913  one parameter per option is click's shape
    *,
    port: int,
    host: str,
    rate_limit: int,
    window: str,
    latency_ms: float,
    fail: float,
    seed: int,
    api_keys: tuple[str, ...],
    assignments: tuple[str, ...],
) -> None:
    """Serve a stand-in for the Loops API at /api/v1, and what it received at /_sandbox.

    It answers as Loops does, limits included, and can be told to fail. GET /_sandbox/requests, contacts, events and
    summary show what arrived; POST /_sandbox/faults, switches, lists, leave-list, suppress, clock, revoke, restore and reset
    change how it behaves.
    """
    from segue_sandbox.server import serve  # noqa: PLC0415  needs the extra `http`, --help does not

    chosen = {"rate_limit": rate_limit, "window": window, "latency_ms": latency_ms, "fail": fail}
    try:
        switches = Switches().changed({**chosen, **parse_assignments(assignments)})
    except SwitchError as error:
        raise click.UsageError(f"--switch {error}") from None
    with listening(host, port):
        serve(Sandbox(switches, api_keys=api_keys, seed=seed), host, port, _say_ready)


def _say_ready(base_url: str) -> None:
    click.echo(f"{READY_LINE}{base_url}", err=True)
