"""The filter of the log: what it lets through, and that reading less for it changes nothing."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_worker.observing.log import Logged
from segue_worker.observing.log_lines import OUTCOMES, Line, LogFilter, lines, read_status
from segue_worker.outbox.dead_letter import REASONS
from segue_worker.outbox.log_record import (
    Attempt,
    EventOutcome,
    EventPart,
    Fault,
    Record,
    RequestOutcome,
    RequestPart,
)

IDS = st.sampled_from(["m1", "m2", "m3"])
MAPPINGS = st.sampled_from(["contacts", "events", 'a "quoted" one', "ü"])
NAMES = st.sampled_from(["identify", "Bought", "ünïcode", "x" * 150])
STATUSES = st.sampled_from([0, 200, 400, 429, 503])
FAULTS = st.builds(Fault, st.sampled_from(list(REASONS)), MAPPINGS, st.just("letter"))
PARTS = st.builds(
    EventPart,
    IDS,
    NAMES.map(lambda name: name[:100]),
    st.sampled_from(get_args(EventOutcome)),
    st.just(1),
    st.just(""),
    st.lists(FAULTS, max_size=2),
)
REQUESTS = st.builds(
    RequestPart,
    st.just("/events/send"),
    st.lists(st.tuples(IDS, MAPPINGS), min_size=1, max_size=3).map(tuple),
    st.lists(st.builds(Attempt, st.just(1), STATUSES, st.just(5)), max_size=3).map(tuple),
    st.just(1),
    st.sampled_from(get_args(RequestOutcome)),
    *(st.just(""), st.just(0), st.just(""), st.just(())),
)
RECORDS = st.builds(
    Record, st.just("0" * 16), st.lists(PARTS, max_size=3), st.none() | REQUESTS, st.just(0), st.just(())
)
TIMES = st.none() | st.integers(0, 9)
FILTERS = st.builds(
    LogFilter,
    outcomes=st.lists(st.sampled_from(OUTCOMES), max_size=2),
    events=st.lists(NAMES, max_size=2),
    mappings=st.lists(MAPPINGS, max_size=2),
    statuses=st.lists(st.sampled_from(["200", "400", "429", "4xx", "5xx", "none"]), max_size=2),
    since_ms=TIMES,
    until_ms=TIMES,
)


@given(RECORDS, FILTERS)
def test_an_entry_is_never_passed_over_that_has_a_line_which_matches(record: Record, wanted: LogFilter) -> None:
    if any(map(wanted.matches, lines("loops", Logged(5, record)))):
        assert wanted.may_match(record.to_json())


@given(RECORDS, FILTERS, FILTERS)
def test_what_two_filters_let_through_both_of_their_conditions_let_through(
    record: Record, one: LogFilter, two: LogFilter
) -> None:
    """Of different kinds all must match, of one kind any."""
    both = LogFilter(outcomes=one.outcomes, events=one.events, mappings=two.mappings, statuses=two.statuses)
    halves = (
        LogFilter(outcomes=one.outcomes, events=one.events),
        LogFilter(mappings=two.mappings, statuses=two.statuses),
    )
    for line in lines("loops", Logged(5, record)):
        assert both.matches(line) == all(half.matches(line) for half in halves)
        assert LogFilter().matches(line)


@given(RECORDS)
def test_every_event_of_an_entry_has_a_line_unless_it_only_goes_on(record: Record) -> None:
    told = {line.message_id for line in lines("loops", Logged(5, record))}
    assert {part.message_id for part in record.events if part.outcome != "begun"} <= told
    assert {part.message_id for part in record.events if part.faults} <= told


def one(**fields: Any) -> Line:
    return Line(5, "loops", "m", **{"event": "Bought", "outcome": "delivered", **fields})


@pytest.mark.parametrize(
    ("wanted", "fits", "fails"),
    [
        (LogFilter(outcomes=["dead", "parked"]), one(outcome="parked"), one()),
        (LogFilter(events=["x" * 150]), one(event="x" * 100), one(event="x" * 99)),
        (LogFilter(mappings=["b"]), one(mappings=("a", "b")), one(mappings=("a",))),
        (LogFilter(statuses=["429"]), one(attempts=(Attempt(1, 429, 1), Attempt(2, 200, 1))), one()),
        (LogFilter(statuses=["5xx"]), one(attempts=(Attempt(1, 503, 1),)), one(attempts=(Attempt(1, 0, 1),))),
        (LogFilter(statuses=["none"]), one(attempts=(Attempt(1, 0, 1),)), one(attempts=(Attempt(1, 200, 1),))),
        (LogFilter(since_ms=5), one(), Line(4, "loops", "m", "Bought", "delivered")),
        (LogFilter(until_ms=5), one(), Line(6, "loops", "m", "Bought", "delivered")),
    ],
)
def test_each_condition(wanted: LogFilter, fits: Line, fails: Line) -> None:
    assert wanted.matches(fits)
    assert not wanted.matches(fails)


@pytest.mark.parametrize("text", ["429", " 5XX ", "None", "200"])
def test_statuses_that_can_be_asked_for(text: str) -> None:
    assert read_status(text) == text.strip().lower()


@pytest.mark.parametrize("text", ["", "42", "600", "6xx", "ok", "4290", "²00"])
def test_statuses_that_cannot(text: str) -> None:
    with pytest.raises(ValueError, match="write a status like 429"):
        read_status(text)


def test_what_died_for_one_mapping_and_arrived_for_another_has_a_line_for_each() -> None:
    request = RequestPart("/events/send", (("m", "events"),), (Attempt(1, 400, 9),), 1, "dead", "refused", 0, "letter")
    record = Record("0" * 16, [EventPart("m", "Bought", "delivered", 1)], request)
    told = {line.outcome: line for line in lines("loops", Logged(5, record))}
    assert (told["delivered"].mappings, told["delivered"].letter) == ((), "")
    assert (told["dead"].mappings, told["dead"].letter, told["dead"].event) == (("events",), "letter", "Bought")
    assert (told["dead"].status, told["dead"].why) == (400, "refused")


def test_a_mapping_that_failed_is_told_of_while_the_event_goes_on() -> None:
    part = EventPart("m", "Bought", "begun", 0, faults=[Fault("payload", "contacts", "letter")])
    (line,) = lines("loops", Logged(5, Record("0" * 16, [part])))
    assert (line.outcome, line.mappings, line.why, line.letter) == ("dead", ("contacts",), "payload", "letter")


def test_an_event_of_which_one_request_was_delivered_and_others_follow_has_its_name() -> None:
    request = RequestPart("/contacts/update", (("m", "contacts"),), (Attempt(1, 200, 9),), 1, "delivered")
    (line,) = lines("loops", Logged(5, Record("0" * 16, [EventPart("m", "Bought", "begun", 0)], request)))
    assert (line.event, line.outcome, line.mappings) == ("Bought", "delivered", ("contacts",))
