"""The retry decision."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_worker.delivery.retry import (
    BACKOFF_LONGEST_S,
    OWN_FAULT_ATTEMPTS,
    OWN_FAULT_WAIT_S,
    Dead,
    Decision,
    Delivered,
    Outcome,
    PauseDestination,
    Retry,
    backoff,
    decide,
    own_fault,
)
from segue_worker.loops import Answer, LoopsConnectionError, LoopsTimeoutError

DAY_S = 86_400.0


def decided(
    outcome: Outcome, *, idempotent: bool = True, sent_before: bool = False, attempt: int = 1, age: float = 0.0
) -> Decision:
    return decide(
        outcome,
        idempotent=idempotent,
        sent_before=sent_before,
        attempt=attempt,
        age=age,
        max_age=DAY_S,
        jitter=lambda: 0.5,
    )


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_2xx_is_delivered_whatever_its_body(status: int) -> None:
    assert decided(Answer(status, "no JSON", html=True)) == Delivered()


def test_a_409_on_an_own_key_that_was_sent_before_is_delivered_and_without_a_key_it_is_final() -> None:
    assert decided(Answer(409), sent_before=True) == Delivered(before=True)
    assert isinstance(decided(Answer(409), idempotent=False, sent_before=True), Dead)


@pytest.mark.parametrize(
    "text",
    [
        '{"success":false,"message":"Request with idempotency key k has already been processed."}',
        "Idempotency key already used with a different request body.",
        "Request has already been processed.",
    ],
)
def test_a_409_at_the_first_attempt_is_delivered_only_if_it_tells_of_the_key(text: str) -> None:
    assert decided(Answer(409, text)) == Delivered(before=True)
    collision = decided(Answer(409, "Email or userId is already on list."))
    assert isinstance(collision, Dead)
    assert collision.reason == "refused"
    assert "already on list" in collision.because


@pytest.mark.parametrize(
    "outcome",
    [
        *(Answer(status) for status in (408, 423, 425, 429, 500, 502, 503, 504, 599)),
        LoopsTimeoutError(),
        LoopsConnectionError(),
    ],
)
def test_what_may_pass_is_retried_until_it_is_too_old(outcome: Outcome) -> None:
    assert isinstance(decided(outcome), Retry)
    expired = decided(outcome, attempt=30, age=DAY_S)
    assert isinstance(expired, Dead)
    assert expired.reason == "expired"


def test_a_refused_key_pauses_the_destination() -> None:
    decision = decided(Answer(401))
    assert isinstance(decision, PauseDestination)
    assert decision.certain


@pytest.mark.parametrize("answer", [Answer(403), Answer(404), Answer(405), Answer(301), Answer(400, html=True)])
def test_what_may_be_the_teams_fault_or_the_requests_is_a_doubt(answer: Answer) -> None:
    doubt = decided(answer)
    assert isinstance(doubt, PauseDestination)
    assert not doubt.certain
    decisions = [
        own_fault(doubt, attempt=attempt, age=0, max_age=DAY_S, jitter=lambda: 1.0)
        for attempt in range(1, OWN_FAULT_ATTEMPTS + 1)
    ]
    waits = [decision.after for decision in decisions if isinstance(decision, Retry)]
    assert len(waits) == OWN_FAULT_ATTEMPTS - 1
    assert waits == sorted(waits)
    assert waits[0] >= OWN_FAULT_WAIT_S
    assert isinstance(decisions[-1], Dead)
    assert isinstance(own_fault(doubt, attempt=1, age=DAY_S + 1, max_age=DAY_S, jitter=lambda: 0.0), Dead)


@pytest.mark.parametrize(
    "text", ["Contact not found.", "userId not found and cannot create a new contact without an email."]
)
def test_a_contact_that_loops_does_not_know_is_a_reason_of_its_own(text: str) -> None:
    decision = decided(Answer(400, text))
    assert isinstance(decision, Dead)
    assert decision.reason == "unknown_contact"


@pytest.mark.parametrize("answer", [Answer(400), Answer(422), Answer(413, html=True)])
def test_other_refusals_are_final(answer: Answer) -> None:
    decision = decided(answer)
    assert isinstance(decision, Dead)
    assert decision.reason == "refused"


def test_retry_after_is_obeyed() -> None:
    assert decided(Answer(429, retry_after=17.0)) == Retry(17.0, "429")
    assert decided(Answer(503, retry_after=1e9)) == Retry(3600.0, "503")


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_backoff_is_never_longer_than_its_bound_and_jitter_is_full(attempt: int, share: float) -> None:
    assert 0 <= backoff(attempt, share) <= min(BACKOFF_LONGEST_S, 2.0 ** min(attempt - 1, 20))
    assert backoff(attempt, 0.0) == 0.0


answers = st.builds(
    Answer,
    st.integers(100, 599),
    st.text(),
    st.booleans(),
    st.none() | st.floats(0, 1e6),
    st.none() | st.integers(0, 9),
)


@given(answer=answers, idempotent=st.booleans(), attempt=st.integers(1, 100), age=st.floats(0, 2 * DAY_S))
def test_every_answer_always_gets_a_decision_that_ends(
    *, answer: Answer, idempotent: bool, attempt: int, age: float
) -> None:
    decision = decided(answer, idempotent=idempotent, attempt=attempt, age=age)
    if isinstance(decision, Retry):
        assert age + decision.after <= DAY_S
