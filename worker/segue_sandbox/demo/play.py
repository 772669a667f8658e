"""Plays the demo from beginning to end."""

import signal

from rich.console import Console

from segue_sandbox.demo.report import Report
from segue_sandbox.demo.scenario import RATE_LIMIT, chapters
from segue_sandbox.demo.stage import Stage

_INTRODUCTION = """\
Segue takes identify and track events from your services and delivers them to Loops: each once, in order, and no \
faster than Loops allows. The demo uses real processes; only Loops is replaced by a stand-in that records what it gets.
"""


def play(console: Console, *, keep: bool) -> list[str]:
    """Play the demo.

    Args:
        console: where it is shown.
        keep: whether everything keeps running after the demo, until Ctrl-C.

    Returns:
        what did not happen as promised; empty if everything did.

    Raises:
        KeyboardInterrupt: it was interrupted; everything has been stopped.
        SegueError: a part failed; everything has been stopped. The same holds for the errors in `stage.GONE`.
    """
    report = Report(console)
    report.say(_INTRODUCTION)
    with Stage(report.say) as stage:
        outcomes = []
        for chapter in chapters():
            report.heading(chapter)
            outcomes.append(stage.play(chapter))
            report.outcome(outcomes[-1])
        summary = stage.summary()
        problems = [problem for outcome in outcomes for problem in outcome.problems]
        if summary["max_received_per_second"] > RATE_LIMIT:
            problems.append(
                f"in one second {summary['max_received_per_second']} requests were sent, more than the promised {RATE_LIMIT}"
            )
        report.summary(outcomes, summary, problems)
        if keep:
            _keep(report, stage)
        report.say()
    return problems


def _keep(report: Report, stage: Stage) -> None:
    report.say("\nEverything keeps running. In another shell:\n", "bold")
    for name, value in stage.environment().items():
        report.say(f"  export {name}={value}")
    report.say(
        '  python -c \'from segue_producer import Producer; Producer().identify("me", {"email": "me@example.com"})\''
    )
    report.say("  segue status; segue dead list")
    report.say(f"  curl {stage.sandbox.base_url.removesuffix('/api/v1')}/_sandbox/contacts")
    report.say("\nCtrl-C stops it all.")
    try:
        signal.pause()
    except KeyboardInterrupt:
        return
