import pytest

from segue_worker.mapping import TriggerError, compile_trigger
from tests.conformance.recorded import Case, cases


@pytest.mark.parametrize("case", cases("trigger"), ids=str)
def test_a_trigger_is_refused_or_answers_as_segment_does(case: Case) -> None:
    text, event = case.input["fql"], case.input.get("event")
    try:
        trigger = compile_trigger(text)
    except TriggerError as error:
        trigger = None
        refused = error
    if trigger is None:
        assert not case.plain, f"a plain trigger was refused: {refused}"
        assert 0 <= refused.position <= len(text)
        return
    answer = trigger(event)

    assert (trigger.explain(event) is None) is answer
    if case.loose != "value":
        assert answer is case.expected.get("match"), "accepted, but Segment answers otherwise"
