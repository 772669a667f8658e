"""The lines of the log about requests, letters and pauses; docs/logs.md lists their fields.

They name messageIds, events and mappings, and never what is in an event, nor what Loops says of it.
"""

import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from segue_worker.delivery.journal import event_name_in
from segue_worker.delivery.retry import Reply, Retry, describe
from segue_worker.logs import facts
from segue_worker.loops import Answer
from segue_worker.outbox.dead_letter import DeadLetter

_NAMED: Final = 10
"""Of the events of a merged request, so many are named."""

log = logging.getLogger(__name__)


def subject(message_ids: Iterable[str], events: Iterable[str], mappings: Iterable[str]) -> dict[str, Any]:
    """What a request or a letter is about, as fields of the log."""
    return {
        "message_ids": tuple(message_ids)[:_NAMED],
        "event": ", ".join(dict.fromkeys(filter(None, events))),
        "mapping": ", ".join(dict.fromkeys(filter(None, mappings))),
    }


def status_of(outcome: Reply | None) -> int:
    """The status of an answer; 0 where there was none."""
    return outcome.status if isinstance(outcome, Answer) else 0


def in_words(outcome: Reply) -> str:
    """An outcome without what Loops said, which may hold personal data."""
    if not isinstance(outcome, Answer):
        return describe(outcome)
    try:
        return f"{outcome.status} {HTTPStatus(outcome.status).phrase}"
    except ValueError:
        return str(outcome.status)


def tell_retry(destination: str, about: Mapping[str, Any], outcome: Reply, retry: Retry, attempt: int) -> None:
    """A request is tried again."""
    log.info(
        *("messageId %s%s at %s is sent again in %.1f s: %s, attempt %d (event %s, mapping %s)", *_ids(about)),
        *(destination, retry.after, in_words(outcome), attempt, about["event"], about["mapping"]),
        extra=facts(
            destination=destination,
            **about,
            status=status_of(outcome),
            reason=in_words(outcome),
            attempt=attempt,
            next_s=round(retry.after, 1),
        ),
    )


def tell_letter(destination: str, letter: DeadLetter) -> None:
    """A request or an event was given up."""
    about = subject(letter.message_ids, map(event_name_in, letter.events[:_NAMED]), letter.mappings)
    status = (letter.answer or {}).get("status", 0)
    log.warning(
        *("messageId %s%s at %s was given up: %s; dead letter %s", *_ids(about), destination),
        *(letter.reason, letter.id),
        extra=facts(
            **{"destination": destination, **about, "status": status, "reason": letter.reason},
            attempt=letter.attempts,
            dead_letter=letter.id,
        ),
    )


def tell_minute(destination: str, counts: Mapping[str, int]) -> None:
    """What one process settled at a destination in the last minute."""
    told = ", ".join(f"{count} {counter.replace('_', ' ')}" for counter, count in sorted(counts.items()))
    log.info("the last minute at %s: %s", destination, told, extra=facts(destination=destination, **counts))


def _ids(about: Mapping[str, Any]) -> tuple[str, str]:
    ids = about["message_ids"]
    return ids[0] if ids else "-", f" and {len(ids) - 1} more" if ids[1:] else ""
