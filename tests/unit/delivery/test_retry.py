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
    PauseDestination,
    Reply,
    Retry,
    backoff,
    decide,
    describe,
    is_down,
    own_fault,
    takes_key,
)
from segue_worker.loops import Answer, LoopsConnectionError, LoopsTimeoutError

DAY_S = 86_400.0


def decided(
    outcome: Reply, *, idempotent: bool = True, sent_before: bool = False, attempt: int = 1, age: float = 0.0
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
def test_what_may_pass_is_retried_until_it_is_too_old(outcome: Reply) -> None:
    assert decided(outcome) == Retry(0.5, describe(outcome))
    assert decided(outcome, age=DAY_S - 0.5) == Retry(0.5, describe(outcome))
    because = f"given up after 30 attempts in 86400 s; the last: {describe(outcome)}"
    assert decided(outcome, attempt=30, age=DAY_S) == Dead("expired", because)


@pytest.mark.parametrize(
    ("outcome", "words", "down"),
    [
        (LoopsTimeoutError(), "timeout", True),
        (LoopsConnectionError(), "connection failed", True),
        (Answer(500, "Oh  no"), "500 Oh no", True),
        (Answer(503, html=True), "503 (an HTML page)", True),
        (Answer(408), "408", True),
        (Answer(429), "429", False),
        (Answer(499), "499", False),
        (Answer(200), "200", False),
    ],
)
def test_loops_as_a_whole_is_down_where_it_does_not_answer_or_not_properly(
    outcome: Reply, words: str, *, down: bool
) -> None:
    assert describe(outcome) == words
    assert is_down(outcome) is down


def test_a_refused_key_pauses_the_destination() -> None:
    because = "Loops refuses the API key (401 Invalid API key); correct it in the configuration"
    assert decided(Answer(401, "Invalid API key")) == PauseDestination(because)


ELSEWHERE = "something other than the Loops API answered ({}); check base_url and what is between"
FORBIDDEN = "the request is forbidden ({}); check the API key"


@pytest.mark.parametrize(
    ("answer", "because"),
    [
        (Answer(403, "No"), FORBIDDEN.format("403 No")),
        (Answer(403, html=True), ELSEWHERE.format("403 (an HTML page)")),
        (Answer(404), ELSEWHERE.format("404")),
        (Answer(405), ELSEWHERE.format("405")),
        (Answer(301), ELSEWHERE.format("301")),
        (Answer(399), ELSEWHERE.format("399")),
        (Answer(400, html=True), ELSEWHERE.format("400 (an HTML page)")),
    ],
)
def test_what_may_be_the_teams_fault_or_the_requests_is_a_doubt(answer: Answer, because: str) -> None:
    assert decided(answer) == PauseDestination(because, certain=False)


def test_a_request_at_fault_itself_is_tried_a_few_times_ever_more_rarely() -> None:
    def decision(attempt: int, *, age: float = 0.0, jitter: float = 1.0) -> Decision:
        doubt = PauseDestination("403 No", certain=False)
        return own_fault(doubt, attempt=attempt, age=age, max_age=DAY_S, jitter=lambda: jitter)

    assert [decision(attempt) for attempt in (1, 2, 3)] == [Retry(wait, "403 No") for wait in (16, 32, 64)]
    assert decision(1, jitter=0.0) == Retry(OWN_FAULT_WAIT_S, "403 No")
    because = f"refused at attempt {OWN_FAULT_ATTEMPTS}, though Loops takes the API key: 403 No"
    assert decision(OWN_FAULT_ATTEMPTS) == Dead("refused", because)
    assert isinstance(decision(1, age=DAY_S), Retry)
    assert isinstance(decision(1, age=DAY_S + 1), Dead)


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


@pytest.mark.parametrize(
    ("status", "taken"),
    [(200, True), (401, False), (403, False), (404, False), (408, None), (429, None), (500, None), (503, None)],
)
def test_an_answer_for_the_key_says_whether_it_is_taken_or_to_ask_later(status: int, *, taken: bool | None) -> None:
    assert takes_key(Answer(status)) is taken


def test_retry_after_is_obeyed() -> None:
    assert decided(Answer(429, retry_after=17.0)) == Retry(17.0, "429")
    assert decided(Answer(503, retry_after=3600.0)) == Retry(3600.0, "503")
    assert decided(Answer(503, retry_after=0.0)) == Retry(0.5, "503"), "at once would be for ever"


def test_backoff_doubles_from_a_second_to_a_quarter_of_an_hour() -> None:
    longest = [backoff(attempt, 1.0) for attempt in range(1, 13)]
    assert longest == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_jitter_is_always_full(attempt: int, share: float) -> None:
    assert backoff(attempt, share) == share * backoff(attempt, 1.0) <= BACKOFF_LONGEST_S


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
