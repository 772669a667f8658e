"""The `segue` command.

Commands are imported when they are called, so that `segue --help` and each command load only what they need.
"""

import os
import sys

import click

from segue_worker.cli.group import CommandGroup

segue = CommandGroup(
    name="segue",
    help="Deliver identify and track events to Loops: in order, without duplicates, within the rate limit.",
    epilog="Each command explains itself: segue check --help",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    extras={
        "dashboard": "dashboard",
        "demo": "demo",
        "import": "worker,import",
        "redis": "demo",
        "sandbox": "worker,http",
        "tracking-api": "worker,http",
    },
    commands_in={
        "check": ("segue_worker.cli.check:check", "Report the problems of a configuration, or show what it does."),
        "contact": ("segue_worker.cli.contact:contact", "Show a contact as Loops has it, and what waits."),
        "dashboard": (
            "segue_worker.cli.dashboard:dashboard",
            "Serve a dashboard: overview, retries, dead letters, mappings, look-up.",
        ),
        "dead": ("segue_worker.cli.dead:dead", "Group, list, show, replay or delete dead letters."),
        "demo": ("segue_worker.cli.demo:demo", "Watch Segue work; needs no API key and no server."),
        "doctor": (
            "segue_worker.cli.doctor:doctor",
            "Find out what keeps events from being delivered, and what to do.",
        ),
        "enqueue": (
            "segue_worker.cli.enqueue:enqueue",
            "Put the events of a file into the outbox, behind live events.",
        ),
        "init": ("segue_worker.cli.init:init", "Write a first configuration."),
        "import": (
            "segue_worker.cli.import_:import_",
            "Turn a destination exported from Segment into a configuration.",
        ),
        "move": ("segue_worker.cli.move:move", "Move what a destination holds to another name."),
        "pause": ("segue_worker.cli.pause:pause", "Pause a destination: nothing is sent until it is resumed."),
        "preview": (
            "segue_worker.cli.preview:preview",
            "Show which requests events would become, without sending them.",
        ),
        "forget": ("segue_worker.cli.forget:forget", "Delete a person's data here, and their contact at Loops."),
        "health": (
            "segue_worker.cli.health:health",
            "Report whether events are being delivered; for container health checks.",
        ),
        "redis": ("segue_worker.cli.redis:redis", "Start a Redis server to try things with."),
        "resume": ("segue_worker.cli.pause:resume", "Resume a paused destination."),
        "sandbox": ("segue_worker.cli.sandbox:sandbox", "Serve an imitation of the Loops API to test against."),
        "schema": ("segue_worker.cli.schema:schema", "Show what was sent beside what Loops knows."),
        "send": ("segue_worker.cli.send:send", "Send one event to Loops now, and show the answer."),
        "metrics": ("segue_worker.cli.metrics:metrics", "Print the metrics in Prometheus's text format."),
        "status": ("segue_worker.cli.status:status", "Show the state, speed and counters of each destination."),
        "tail": ("segue_worker.cli.tail:tail", "Follow what happens to events, live."),
        "trace": ("segue_worker.cli.trace:trace", "Show what happened to an event, or to all of a person."),
        "tracking-api": (
            "segue_worker.cli.tracking_api:tracking_api",
            "Serve an HTTP endpoint for Segment and RudderStack SDKs.",
        ),
    },
)


click.version_option(package_name="segue", prog_name="segue")(segue)


def main() -> None:
    """Run the `segue` command with the arguments of the process, and exit."""
    # Who starts it may have closed a stream; the descriptor would then become that of a connection.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    segue.main(prog_name="segue", color=False if plain else None)
