"""`segue demo`: watch the whole of Segue work."""

import signal
from importlib import import_module

import click
from rich.console import Console

from segue_worker.cli.group import CommandFailure

_PIPE_WIDTH = 120
_NEEDED = ("uvicorn", "starlette", "httptools", "aiohappyeyeballs")
"""Modules that the processes it starts need. A missing one is reported before anything has been started."""

_NEXT = """
Where to go next
  The first hour, step by step         README.md: a sandbox, or your own Loops team
  A configuration                      segue init; segue.example.yaml explains every setting
  Is it right, is the key accepted?    segue check --online
  Workers for your own Loops team      celery -A segue_worker worker -B
  Does everything work together?       segue doctor
  Enqueuing from your services         README.md, and examples/ for Django, FastAPI, Flask and a plain script"""


@click.command(epilog="Example: segue demo --keep", short_help="Watch Segue work; needs no API key and no server.")
@click.option("--keep", is_flag=True, help="Let everything run on afterwards, to try things, until Ctrl-C.")
def demo(*, keep: bool) -> None:
    """Start a Redis, a stand-in for Loops and a real Celery worker, enqueue events, and show what happens to them.

    Takes about 20 seconds, needs no API key and no server, and stops everything that it started. Everything it says is
    checked against what the stand-in received: exits with 1 where that differs.
    """
    for module in _NEEDED:
        import_module(module)
    from segue_sandbox.demo.play import play  # noqa: PLC0415 - only now is it sure that it can be imported
    from segue_sandbox.demo.stage import GONE  # noqa: PLC0415 - same

    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPE_WIDTH)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        problems = play(console, keep=keep)
    except KeyboardInterrupt:
        raise CommandFailure("The demo was stopped; nothing is left running") from None
    except GONE as error:
        raise CommandFailure(f"The demo had to stop: {error}") from None
    if problems:
        raise CommandFailure("\n".join(("The demo did not go as promised:", *problems)))
    console.print(_NEXT, highlight=False, markup=False)
