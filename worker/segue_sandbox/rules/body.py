"""Checks on the body as a whole: JSON, lengths, names Loops keeps for itself (docs/loops.md#bodies)."""

import json
from typing import Any

from segue_sandbox.answers import ApiRefusal
from segue_sandbox.request import ApiRequest
from segue_sandbox.switches import Switches

MAX_TEXT = 500
RESERVED_KEYS = frozenset({"id", "listId", "softDeleteAt", "teamId", "updatedAt"})
_LONGEST_ESCAPE = len("\\u0000")
_SURELY_SHORT = MAX_TEXT // _LONGEST_ESCAPE - 2

JsonObject = dict[str, Any]


def read_object(request: ApiRequest, switches: Switches) -> JsonObject:
    """The body as a JSON object whose keys and values are short enough.

    Raises:
        Refusal: 400.
    """
    body = request.json
    if not isinstance(body, dict):
        raise ApiRefusal(400, "Invalid JSON")
    if len(request.body) > MAX_TEXT:
        _check_all_lengths(body)
    reserved = RESERVED_KEYS.intersection(body)
    if reserved and switches.reserved_keys == "400":
        raise ApiRefusal(400, f"{', '.join(sorted(reserved))} cannot be set")
    return body


def _check_all_lengths(body: JsonObject) -> None:
    _check_lengths(body)
    for nested in ("eventProperties", "mailingLists"):
        if isinstance(body.get(nested), dict):
            _check_lengths(body[nested])


def check_length(value: str | float) -> None:
    """Refuse a scalar whose JSON text, quotes included, is longer than allowed.

    Raises:
        Refusal: 400.
    """
    if isinstance(value, float | bool) or (isinstance(value, str) and len(value) <= _SURELY_SHORT):
        return
    if len(json.dumps(value, ensure_ascii=False)) > MAX_TEXT:
        raise ApiRefusal(400, "Some body key or value is longer than allowable")


def _check_lengths(fields: JsonObject) -> None:
    for key, value in fields.items():
        check_length(key)
        if isinstance(value, str | int | float):
            check_length(value)
