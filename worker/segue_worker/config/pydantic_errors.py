"""Puts pydantic's errors into words for the person who wrote the file."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from pydantic_core import ErrorDetails

from segue_worker.config.problems import key_text

_LONGEST_GUESS = 60

_NEEDS: Final[Mapping[str, str]] = {
    "bool_type": "true or false",
    "dict_type": "keys and their values",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": "keys and their values",
    "string_type": "text",
}

_LIMITS: Final[Mapping[str, Callable[[Any], str]]] = {
    "greater_than_equal": lambda limits: f"must be {limits['ge']:,} or more",
    "less_than_equal": lambda limits: f"must be {limits['le']:,} or less",
    "string_too_long": lambda limits: f"longer than {limits['max_length']} characters",
    "string_too_short": lambda _: "is empty",
    "too_long": lambda limits: f"{limits['actual_length']} {{items}}, at most {limits['max_length']}",
    "too_short": lambda _: "is an empty list: name at least one",
}

_PATTERNS: Final[Mapping[str, str]] = {
    r"^[a-z0-9_-]{1,64}$": "may hold lower case letters, digits, - and _ only, 64 at most",
}


def reason(error: ErrorDetails, known_keys: list[str]) -> str:
    """Say what is wrong with a value, and what to write instead.

    Args:
        error: what pydantic found.
        known_keys: the keys that are allowed in the place where the error is.

    Returns:
        A sentence without a full stop. It quotes no value of the file, because that may be a secret.
    """
    kind, limits, given = error["type"], error.get("ctx", {}), error["input"]
    step = str(error["loc"][-1]) if error["loc"] else ""
    match kind:
        case "segue":
            said = error["msg"]
        case "missing":
            said = f"missing key {key_text(step)}"
        case "extra_forbidden":
            said = f"unknown key {key_text(step)}" + (
                nearest(step, known_keys) or f"; the known keys are {', '.join(known_keys)}"
            )
        case "literal_error":
            choices = limits["expected"].replace("'", "").replace(" or ", ", ").split(", ")
            said = f"must be one of {', '.join(choices)}{nearest(given, choices)}"
        case "string_pattern_mismatch":
            said = _PATTERNS[limits["pattern"]]
        case _ if kind in _LIMITS:
            said = _LIMITS[kind](limits).format(items=step)
        case _ if kind in _NEEDS:
            quotes = ": put it in quotes" if kind == "string_type" and isinstance(given, int | float) else ""
            said = f"needs {_NEEDS[kind]}, not {_kind(given)}{quotes}"
        case _:
            said = f"is not accepted ({kind})"
    return said


def nearest(word: object, known: list[str]) -> str:
    """Return `; did you mean …?` if a known word is similar, otherwise an empty text."""
    if not isinstance(word, str) or len(word) > _LONGEST_GUESS:
        return ""
    lowered = {each.lower(): each for each in known}
    matches = get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    return f"; did you mean {lowered[matches[0]]}?" if matches else ""


def _kind(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "keys and values"
