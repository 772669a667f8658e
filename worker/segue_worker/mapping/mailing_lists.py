"""Reads mailing-list subscriptions in both forms that are documented, and chooses between two sources of them."""

from collections.abc import Iterable
from typing import Any

from segue_worker.mapping.undefined import UNDEFINED


def as_object(value: Any) -> Any:
    """Turn `[{"listId": id, "subscribed": bool}, …]` into `{id: bool, …}`; any other value is returned as it is.

    Segment's action accepts only objects, although its documentation shows this list as well.
    """
    if not isinstance(value, list) or not value or not all(map(_is_entry, value)):
        return value
    return {entry["listId"]: entry.get("subscribed", UNDEFINED) for entry in value}


def _is_entry(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("listId"), str)


def chosen(mapped: Any, attributes: Any) -> Any:
    """Choose the mapped lists if they are a non-empty object, else those among the contact's attributes.

    Either may be `UNDEFINED`. Returns the chosen lists as they are, or `UNDEFINED` where there are none.
    """
    if mapped is not UNDEFINED and len(mapped):
        return mapped
    if isinstance(attributes, dict) and "mailingLists" in attributes:
        return attributes["mailingLists"]
    return mapped


def subscriptions(value: Any) -> dict[str, bool]:
    """Keep the entries that are booleans or exactly "true" or "false". In a list, the index serves as the id."""
    value = as_object(value)
    entries: Iterable[tuple[str, Any]] = ()
    if isinstance(value, dict):
        entries = value.items()
    elif isinstance(value, list):
        entries = ((str(index), item) for index, item in enumerate(value))
    result: dict[str, bool] = {}
    for key, item in entries:
        if item is True or item == "true":
            result[key] = True
        elif item is False or item == "false":
            result[key] = False
    return result


def asked_for(value: Any) -> Any:
    """Leave out the entries that are missing or null, which ask for nothing, and nothing else: any value may remain."""
    value = as_object(value) or {}
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if item is not None and item is not UNDEFINED}
    return value
