"""Turns the result of a mapping into a payload that its action accepts (docs/segment.md#empty-values, docs/segment.md#conversion-and-checks)."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from segue_worker.errors import PayloadError
from segue_worker.mapping.coercion import Coerce, ValueRefused, compile_coercion
from segue_worker.mapping.fields import Action
from segue_worker.mapping.javascript import type_name
from segue_worker.mapping.undefined import UNDEFINED

PASSED_THROUGH: Final = "dynamicAuthSettings"
"""The only unknown field that Segment does not drop."""

CheckPayload = Callable[[Any], dict[str, Any]]


def compile_check(action: Action, *, email_only: bool = False) -> CheckPayload:
    """Compile the payload rules of an action; with `email_only`, the email is required in place of the userId.

    The function it returns takes what the mapping returned (any value, or `UNDEFINED`) and returns a new payload: the
    known fields that are not empty, converted, in the mapping's order. It raises `PayloadError` with every problem;
    missing fields come first, and wrong values are described in Segment's words.
    """
    coercions = {name: compile_coercion(field) for name, field in action.fields.items()}
    needed = {
        "email" if email_only and name == "userId" else name for name, each in action.fields.items() if each.required
    }
    required = tuple(name for name in action.fields if name in needed)

    def check(result: Any) -> dict[str, Any]:
        if not isinstance(result, dict):
            raise PayloadError(f"The mapping must return an object but it returned {_described(result)}.")
        payload = {}
        try:
            for name, value in result.items():
                if value is None or value == "":
                    continue
                coerce = coercions.get(name)
                if coerce is not None:
                    payload[name] = coerce(value)
        except ValueRefused:
            raise _refused(result, coercions, required) from None
        for name in required:
            if name not in payload:
                raise _refused(result, coercions, required)
        if PASSED_THROUGH in result and result[PASSED_THROUGH] != "":
            payload[PASSED_THROUGH] = result[PASSED_THROUGH]
        return payload

    return check


def _described(value: Any) -> str:
    kind = type_name(value)
    return kind if kind in {"null", "undefined"} else f"a {kind}" if kind != "array" else "an array"


def _refused(result: Mapping[str, Any], coercions: Mapping[str, Coerce], required: tuple[str, ...]) -> PayloadError:
    """Check all fields once more, in the order in which they are declared, to name every problem."""
    present = {name: value for name, value in result.items() if value is not None and value != ""}
    problems = [f"{name} is missing." for name in required if present.get(name, UNDEFINED) is UNDEFINED]
    for name, coerce in coercions.items():
        if name in present:
            try:
                coerce(present[name])
            except ValueRefused as refusal:
                problems.extend(refusal.problems)
    return PayloadError(" ".join(problems))
