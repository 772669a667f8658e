"""The retry decision: what follows from an answer, or from none. Pure; the only randomness is handed in.

| outcome | decision |
|---|---|
| 2xx | delivered |
| 409 on an event | delivered, if its Idempotency-Key may have been sent before or the text says that it was; else dead |
| 429, 408, 423, 425, 5xx, no answer | retry, with backoff and full jitter; `Retry-After` obeyed |
| 401 | pause: the API key is refused |
| 403, 404, 405, 3xx, an HTML page with a 4xx | pause, if Loops refuses the key at this address too; else this request's own fault: retry, and dead after a few attempts |
| other 4xx (413 as a page too) | dead: this request will never be taken |
| anything retried past `max_age` | dead: Loops forgets an Idempotency-Key after 24 h |

The reasons are in docs/design.md#retries-pauses-and-dead-letters and docs/loops.md#answers-and-what-they-mean.
"""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from segue_worker.loops.answer import Answer
from segue_worker.loops.errors import LoopsTimeoutError, NoAnswerError
from segue_worker.printable import counted

BACKOFF_FIRST_S: Final = 1.0
BACKOFF_LONGEST_S: Final = 900.0
OWN_FAULT_ATTEMPTS: Final = 4
OWN_FAULT_WAIT_S: Final = 5.0
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
    """Hold the whole destination; the request stays as it is.

    Attributes:
        because: for people.
        certain: whether the answer is about the team. Where it is not, the key is tried first: if Loops takes it, the
            request itself is at fault (`own_fault`).
    """

    because: str
    certain: bool = True


Decision = Delivered | Retry | Dead | PauseDestination
Reply = Answer | NoAnswerError


def describe(outcome: Reply) -> str:
    """The outcome in a few words, for people."""
    if isinstance(outcome, Answer):
        return outcome.describe()
    return "timeout" if isinstance(outcome, LoopsTimeoutError) else "connection failed"


def is_down(outcome: Reply) -> bool:
    """Whether the outcome says that Loops as a whole is in trouble: no answer, or a 5xx or 408."""
    if isinstance(outcome, Answer):
        return outcome.status >= HTTPStatus.INTERNAL_SERVER_ERROR or outcome.status == HTTPStatus.REQUEST_TIMEOUT
    return True


def takes_key(answer: Answer) -> bool | None:
    """What the answer to `GET /api-key` says of the key: whether Loops takes it; None where it only says to ask later."""
    return None if _is_passing(answer.status) else answer.delivered


def decide(  # noqa: PLR0913 - the facts the decision rests on
    outcome: Reply,
    *,
    idempotent: bool,
    sent_before: bool,
    attempt: int,
    age: float,
    max_age: float,
    jitter: Callable[[], float],
) -> Decision:
    """Decide what follows.

    Args:
        outcome: the answer, or the error that stands for none.
        idempotent: whether the request carries an Idempotency-Key of its own.
        sent_before: whether the request may have been sent before, by this run or another.
        attempt: how often it has been sent, this time included.
        age: seconds since the first attempt.
        max_age: seconds after which it is given up.
        jitter: a number from 0 to 1, different each time.
    """
    if isinstance(outcome, Answer):
        final = _final(outcome, idempotent=idempotent, sent_before=sent_before)
        if final is not None:
            return final
    wait = backoff(attempt, jitter())
    if isinstance(outcome, Answer) and outcome.retry_after:
        wait = outcome.retry_after
    if age + wait > max_age:
        return Dead(
            "expired", f"given up after {counted(attempt, 'attempt')} in {age:.0f} s; the last: {describe(outcome)}"
        )
    return Retry(wait, describe(outcome))


def backoff(attempt: int, share: float) -> float:
    """Seconds before the attempt after number `attempt`: exponential, with full jitter (`share`, 0 to 1)."""
    return share * min(BACKOFF_LONGEST_S, BACKOFF_FIRST_S * 2.0 ** min(attempt - 1, 20))


def own_fault(
    doubt: PauseDestination, *, attempt: int, age: float, max_age: float, jitter: Callable[[], float]
) -> Decision:
    """Decide what follows from an answer that might have been about the team, when Loops takes the team's key.

    Args:
        doubt: what `decide` said.
        attempt: how often the request has been sent, this time included.
        age: seconds since the first attempt.
        max_age: seconds after which it is given up.
        jitter: a number from 0 to 1, different each time.
    """
    if attempt >= OWN_FAULT_ATTEMPTS or age > max_age:
        return Dead("refused", f"refused at attempt {attempt}, though Loops takes the API key: {doubt.because}")
    return retry_in_doubt(doubt, attempt, jitter)


def retry_in_doubt(doubt: PauseDestination, attempt: int, jitter: Callable[[], float]) -> Retry:
    """When to send a request again that may alone be to blame for its answer; the arguments are those of `own_fault`.

    Not at once, so that whatever waits behind it gets its turn, and because what stands between here and Loops may
    change its mind, but seldom within seconds.
    """
    return Retry(max(OWN_FAULT_WAIT_S, backoff(attempt + 4, jitter())), doubt.because)


def _final(answer: Answer, *, idempotent: bool, sent_before: bool) -> Decision | None:
    status = answer.status
    if answer.delivered:
        return Delivered()
    if status == HTTPStatus.CONFLICT and idempotent and (sent_before or _tells_of_the_key(answer)):
        return Delivered(before=True)
    return None if _is_passing(status) else _refusal(answer)


def _is_passing(status: int) -> bool:
    return status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _refusal(answer: Answer) -> Decision:
    status = answer.status
    if status == HTTPStatus.UNAUTHORIZED:
        return PauseDestination(f"Loops refuses the API key ({answer.describe()}); correct it in the configuration")
    page = answer.html and status != _TOO_LARGE
    if page or status in _ELSEWHERE or status < HTTPStatus.BAD_REQUEST:
        because = (
            f"something other than the Loops API answered ({answer.describe()}); check base_url and what is between"
        )
        return PauseDestination(because, certain=False)
    if status == HTTPStatus.FORBIDDEN:
        return PauseDestination(f"the request is forbidden ({answer.describe()}); check the API key", certain=False)
    return Dead("unknown_contact" if _is_unknown_contact(answer) else "refused", f"Loops answered {answer.describe()}")


def _tells_of_the_key(answer: Answer) -> bool:
    """Whether a 409 says that its Idempotency-Key was used before; Loops has several texts for it."""
    text = answer.text.lower()
    return "idempotency" in text or "already been processed" in text


def _is_unknown_contact(answer: Answer) -> bool:
    """Whether the refusal is that of a contact that Loops does not know and cannot make without an email."""
    text = answer.text.lower()
    return "contact not found" in text or "userid not found" in text
