import copy
from typing import Any

import pytest

from segue_worker.mapping import UNDEFINED, MappingError, compile_mapping
from tests.conformance.recorded import Case, cases, same


def _outcome(case: Case) -> dict[str, Any]:
    try:
        transform = compile_mapping(case.input["mapping"])
        result = transform(case.input["payload"]) if "payload" in case.input else transform()
    except MappingError as error:
        return {"error": error.problems}
    return {"undefined": True} if result is UNDEFINED else {"result": result}


@pytest.mark.parametrize("case", cases("mapping"), ids=str)
def test_a_mapping_yields_what_segment_makes_of_it(case: Case) -> None:
    before = copy.deepcopy(case.input)
    outcome = _outcome(case)

    assert same(case.input, before), "the mapping or the payload was changed"
    if case.loose == "value":
        return
    if "error" not in case.expected:
        assert same(outcome, case.expected)
        return
    assert "error" in outcome
    if case.loose is None:
        assert set(case.expected["error"]["messages"]) <= set(outcome["error"])
