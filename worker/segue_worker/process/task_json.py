"""Reads the JSON of task messages, as kombu does, but so that no event can keep a message from being read.

kombu writes datetimes and the like as `{"__type__": …, "__value__": …}`, and refuses a whole message for a property that only
looks like this. Python refuses integers of very many digits.
"""

import json as _json
from typing import Any

from kombu.serialization import register
from kombu.utils import json

from segue_producer.values import read_integer


def read_leniently() -> None:
    """Let this process read messages so; for a process of Segue's own, since it concerns all of kombu."""
    register("json", json.dumps, loads, content_type="application/json", content_encoding="utf-8")


def loads(text: Any) -> Any:
    """Read JSON; what only looks like one of kombu's own values stays as it is."""
    return json.loads(text, _loads=_loads, object_hook=_hook)


def _loads(text: str, **options: Any) -> Any:
    return _json.loads(text, parse_int=read_integer, **options)


def _hook(value: dict[str, Any]) -> Any:
    try:
        return json.object_hook(value)
    except Exception:  # noqa: BLE001 - whatever a client writes there
        return value
