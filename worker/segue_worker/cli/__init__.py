"""The `segue` command.

Commands are imported when they are called, so that `segue --help` and each command load only what they need.
"""

import click

from segue_worker.cli.group import CommandGroup

segue = CommandGroup(
    name="segue",
    help="Carry identify and track events to Loops: ordered, deduplicated, paced.",
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
        "check": ("segue_worker.cli.check:check", "Say what is wrong with a configuration, or what it does."),
        "dashboard": (
            "segue_worker.cli.dashboard:dashboard",
            "Serve a dashboard: overview, retries, dead letters, mappings, look-up.",
        ),
        "dead": ("segue_worker.cli.dead:dead", "List, show, replay or drop what was given up for good."),
        "demo": ("segue_worker.cli.demo:demo", "See it work: real processes, no key, no server."),
        "doctor": ("segue_worker.cli.doctor:doctor", "Say what keeps events from Loops, and what to do about it."),
        "init": ("segue_worker.cli.init:init", "Write a configuration to begin with."),
        "import": (
            "segue_worker.cli.import_:import_",
            "Turn a destination exported from Segment into a configuration.",
        ),
        "pause": ("segue_worker.cli.pause:pause", "Hold a destination: nothing is sent until it is resumed."),
        "preview": (
            "segue_worker.cli.preview:preview",
            "Show the requests that events would become, and why not others.",
        ),
        "forget": ("segue_worker.cli.forget:forget", "Remove what is held of a person, and their contact at Loops."),
        "health": ("segue_worker.cli.health:health", "Say whether events move; for container health checks."),
        "redis": ("segue_worker.cli.redis:redis", "Serve a Redis to try things with."),
        "resume": ("segue_worker.cli.pause:resume", "Let a paused destination go on."),
        "sandbox": ("segue_worker.cli.sandbox:sandbox", "Serve an imitation of the Loops API to test against."),
        "send": ("segue_worker.cli.send:send", "Send one event to Loops now, and show the answer."),
        "metrics": ("segue_worker.cli.metrics:metrics", "Print the metrics, as Prometheus reads them."),
        "status": ("segue_worker.cli.status:status", "Show what each destination is doing, and what it has done."),
        "tail": ("segue_worker.cli.tail:tail", "Show what becomes of events, as it happens."),
        "trace": ("segue_worker.cli.trace:trace", "Show what became of an event."),
        "tracking-api": (
            "segue_worker.cli.tracking_api:tracking_api",
            "Serve an HTTP endpoint for Segment and RudderStack SDKs.",
        ),
    },
)


click.version_option(package_name="segue", prog_name="segue")(segue)


def main() -> None:
    """Run the `segue` command with the arguments of the process, and exit."""
    segue.main(prog_name="segue")
