"""What happened to an event, in words for people: `segue trace` and the dashboard say the same."""

from collections.abc import Callable
from typing import Any, Final

from segue_worker.mapping.why_filtered import EVERY_MAPPING
from segue_worker.masking import plain_answer
from segue_worker.observing.preview import DISABLED
from segue_worker.observing.trail import StepKind, TrailStep
from segue_worker.printable import counted


def describe(step: TrailStep, moment: Callable[[str], str] = str) -> str:
    """A step in words. `moment` writes a time, given as in JSON."""
    details = step.details
    if "until" in details:
        details = {**details, "until": moment(details["until"])}
    return _WORDS[step.what](details)


def _attempt(details: dict[str, Any]) -> str:
    answer = details["status"] or "no answer"
    sent = f"{details['path']} for {details['mapping']!r}"
    return f"attempt {details['number']}: {sent}: {answer} in {details['ms']} ms"


def interruption(times: int) -> str:
    """What an entry of the log says of interrupted deliveries, in words."""
    if times == 1:
        deliveries, whose = "an earlier delivery of this contact was interrupted", "its last request"
    else:
        deliveries, whose = f"{times} earlier deliveries of this contact were interrupted", "the last request of each"
    return f"{deliveries}; {whose} may have been sent without being recorded"


def _filtered(details: dict[str, Any]) -> str:
    return "filtered: " + ("; ".join(map(_reason, details["because"])) or "no mapping fires for it")


def _reason(reason: dict[str, str]) -> str:
    if reason["mapping"] == EVERY_MAPPING:
        return reason["condition"]
    if reason["condition"] == DISABLED:
        return f"{reason['mapping']!r} is disabled"
    return f"{reason['mapping']!r} requires {reason['condition']}"


def _pending(details: dict[str, Any]) -> str:
    before = f"{counted(details['events_before'], 'event')} of its contact before it"
    before += f"; {details['standstill']}" if "standstill" in details else ""
    if "until" in details:
        attempts = counted(details["attempts"], "attempt")
        return f"parked until {details['until']} after {attempts}: {details['because']}; {before}"
    return f"{'in flight' if details['in_flight'] else 'waiting'}; {before}"


def _reasons(details: dict[str, Any]) -> str:
    return (
        f"{details['reason']}: {plain_answer(details['detail'])}" if details.get("detail") else str(details["reason"])
    )


def _merged(details: dict[str, Any]) -> str:
    return f" (one request with {', '.join(details['merged_with'])})" if details.get("merged_with") else ""


_WORDS: Final[dict[StepKind, Callable[[dict[str, Any]], str]]] = {
    "enqueued": lambda _: "enqueued",
    "interrupted": lambda details: interruption(details["times"]),
    "attempt": _attempt,
    "delivered": lambda details: f"delivered for {details['mapping']!r}{_merged(details)}",
    "unchanged": lambda details: f"delivered for {details['mapping']!r} without a request: Loops has it already",
    "parked": lambda details: f"parked until {details['until']}: {details['because']}{_merged(details)}",
    "apart": lambda details: f"the merged request was refused, and is sent again in pieces{_merged(details)}",
    "dead": lambda details: f"given up: {_reasons(details)}{_merged(details)}",
    "failed": lambda details: f"mapping {details['mapping']!r} failed: {_reasons(details)}",
    "filtered": _filtered,
    "duplicate": lambda _: "a second copy was dropped as a duplicate",
    "replayed": lambda details: f"replayed from dead letter {details['letter']}",
    "value": lambda details: f"{details['key']} for {details['mapping']!r}: {details['why']}",
    "settled": lambda _: "it was settled within the dedupe window; the log no longer says how",
    "pending": _pending,
    "moved": lambda details: f"moved to destination {details['to']}",
    "arrived": lambda details: f"moved here from destination {details['from']}",
}
