"""The retry decision: what follows from an answer, or from none. Pure; the only randomness is handed in.

| outcome | decision |
|---|---|
| 2xx | delivered |
| 409 on an event | delivered: the Idempotency-Key is this request's own, so it was processed before |
| 429, 408, 423, 425, 5xx, no answer | retry, with backoff and full jitter; `Retry-After` obeyed |
| 401, 403 | pause: the API key is refused |
| 404, 405, 3xx, an HTML page with a 4xx | pause: this is not the address of the Loops API |
| other 4xx (413 as a page too) | dead: this request will never be taken |
| anything retried past `max_age` | dead: Loops forgets an Idempotency-Key after 24 h |

The reasons are in docs/design.md#retries-pauses-and-dead-letters and docs/loops.md#answers-and-what-they-mean.
"""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from segue_worker.loops.answer import RETRY_AFTER_LONGEST_S, Answer
from segue_worker.loops.errors import LoopsTimeoutError, NoAnswerError

BACKOFF_FIRST_S: Final = 1.0
BACKOFF_LONGEST_S: Final = 900.0
_PASSING: Final = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.LOCKED, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)
_ELSEWHERE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})
_TOO_LARGE: Final = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


@dataclass(frozen=True, slots=True)
class Delivered:
    """Loops has taken the request; `before` where an earlier attempt was the one."""

    before: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after so many seconds."""

    after: float
    because: str


@dataclass(frozen=True, slots=True)
class Dead:
    """Never try again."""

    reason: str
    because: str


@dataclass(frozen=True, slots=True)
class PauseDestination:
    """Hold the whole destination; the request stays as it is."""

    because: str


Decision = Delivered | Retry | Dead | PauseDestination
Outcome = Answer | NoAnswerError


def describe(outcome: Outcome) -> str:
    """The outcome in a few words, for people."""
    if isinstance(outcome, Answer):
        return outcome.describe()
    return "timeout" if isinstance(outcome, LoopsTimeoutError) else "connection failed"


def is_down(outcome: Outcome) -> bool:
    """Whether the outcome says that Loops as a whole is in trouble: no answer, or a 5xx or 408."""
    if isinstance(outcome, Answer):
        return outcome.status >= HTTPStatus.INTERNAL_SERVER_ERROR or outcome.status == HTTPStatus.REQUEST_TIMEOUT
    return True


def decide(  # noqa: PLR0913 - the facts the decision rests on
    outcome: Outcome, *, idempotent: bool, attempt: int, age: float, max_age: float, jitter: Callable[[], float]
) -> Decision:
    """Decide what follows.

    Args:
        outcome: the answer, or the error that stands for none.
        idempotent: whether the request carries an Idempotency-Key of its own.
        attempt: how often it has been sent, this time included.
        age: seconds since the first attempt.
        max_age: seconds after which it is given up.
        jitter: a number from 0 to 1, different each time.
    """
    if isinstance(outcome, Answer):
        final = _final(outcome, idempotent=idempotent)
        if final is not None:
            return final
    wait = backoff(attempt, jitter())
    if isinstance(outcome, Answer) and outcome.retry_after is not None:
        wait = max(min(outcome.retry_after, RETRY_AFTER_LONGEST_S), wait if outcome.retry_after == 0 else 0.0)
    if age + wait > max_age:
        return Dead("expired", f"given up after {attempt} attempts in {age:.0f} s; the last: {describe(outcome)}")
    return Retry(wait, describe(outcome))


def backoff(attempt: int, share: float) -> float:
    """Seconds before the attempt after number `attempt`: exponential, with full jitter (`share`, 0 to 1)."""
    return share * min(BACKOFF_LONGEST_S, BACKOFF_FIRST_S * 2.0 ** min(attempt - 1, 20))


def _final(answer: Answer, *, idempotent: bool) -> Decision | None:
    status = answer.status
    if answer.delivered:
        return Delivered()
    if status == HTTPStatus.CONFLICT and idempotent:
        return Delivered(before=True)
    if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return None
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return PauseDestination(f"Loops refuses the API key ({answer.describe()}); correct it in the configuration")
    if status in _ELSEWHERE or status < HTTPStatus.BAD_REQUEST or (answer.html and status != _TOO_LARGE):
        return PauseDestination(f"base_url is not the Loops API ({answer.describe()}); correct it in the configuration")
    return Dead("refused", f"Loops answered {answer.describe()}")
