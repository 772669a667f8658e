"""Checks that a mapping is JSON of reasonable size before anything walks it."""

import math
from typing import Any

from segue_worker.errors import MappingError
from segue_worker.mapping.javascript import article, has_lone_surrogate
from segue_worker.mapping.limits import MAX_MAPPING_DEPTH, MAX_MAPPING_NODES, MAX_MAPPING_TEXT

_Pending = list[tuple[Any, str, int]]


def check_json(mapping: Any) -> None:
    """Refuse a mapping that is not a JSON object, or exceeds a limit of `segue_worker.mapping.limits`.

    Raises:
        MappingError: with the first problem found, as `/path problem.`
    """
    if not isinstance(mapping, dict):
        kind = "array" if isinstance(mapping, list) else type(mapping).__name__
        raise MappingError((f"/ should be an object but it is {article(kind)} {kind}.",))
    nodes = length = 0
    pending: _Pending = [(mapping, "", 0)]
    while pending:
        value, path, depth = pending.pop()
        nodes += 1
        if depth > MAX_MAPPING_DEPTH:
            raise MappingError((f"{path[:200]} is nested deeper than {MAX_MAPPING_DEPTH} levels.",))
        length += _check_value(value, path, depth, pending)
        if nodes + len(pending) > MAX_MAPPING_NODES:
            raise MappingError((f"/ has more than {MAX_MAPPING_NODES} values.",))
        if length > MAX_MAPPING_TEXT:
            raise MappingError((f"/ has more than {MAX_MAPPING_TEXT} characters of text.",))


def _check_value(value: Any, path: str, depth: int, pending: _Pending) -> int:
    """Check one value, queue what it holds, and return how much text it has."""
    if isinstance(value, str):
        _check_text(value, path)
        return len(value)
    if isinstance(value, (dict, list)) and len(value) > MAX_MAPPING_NODES:
        raise MappingError((f"{path[:200] or '/'} has more than {MAX_MAPPING_NODES} values.",))
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise MappingError((f"{path or '/'} should have text keys but one is {key!r:.100}. Put it in quotes.",))
            _check_text(key, path)
        pending.extend((item, f"{path}/{key}", depth + 1) for key, item in value.items())
        return sum(map(len, value))
    if isinstance(value, list):
        pending.extend((item, f"{path}/{index}", depth + 1) for index, item in enumerate(value))
        return 0
    if isinstance(value, float) and not math.isfinite(value):
        raise MappingError((f"{path} should be a JSON value but it is {value}.",))
    if value is not None and not isinstance(value, (bool, int, float)):
        kind = type(value).__name__
        raise MappingError((f"{path} should be a JSON value but it is {article(kind)} {kind}. Put it in quotes.",))
    return 0


def _check_text(text: str, path: str) -> None:
    if has_lone_surrogate(text):
        raise MappingError((f"{path[:200] or '/'} has text that is not valid Unicode (half a surrogate pair).",))
