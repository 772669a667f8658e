"""Repairs what SDKs write in an event that does no harm, and has one meaning only (docs/segment.md#what-is-repaired)."""

from typing import Any, Final

from segue_producer.events import TIMES, is_moment
from segue_producer.values import id_text, write_json

_MEANT: Final = ("traits", "properties", "context", "integrations")
_HARMLESS: Final = ("context", "integrations")
ADDED_BYTES: Final = 512
"""Room for what the Tracking API adds to an event, a messageId and three timestamps, beyond the client's limit."""


def object_of(value: Any) -> Any:
    """An object as PHP writes it where it is empty: `[]` and "" mean `{}`."""
    return {} if isinstance(value, list | str) and not value else value


def repair(event: dict[str, Any]) -> None:
    """Repair an event in place.

    Objects that are empty lists or empty text become `{}`. A context that is no object, and entries of `integrations` that
    are neither a choice nor options, are left out. The name of an event may be a number, which becomes text; a messageId
    that is neither text nor a number, and what is no moment in place of one, is left out. Everything else stays for the
    check of the event to name.
    """
    for name in _MEANT:
        if name in event:
            event[name] = object_of(event[name])
    for name in _HARMLESS:
        if event.get(name) is not None and not isinstance(event[name], dict):
            del event[name]
    if event.get("integrations"):
        event["integrations"] = choices_of(event["integrations"])
    for name in TIMES:
        if event.get(name) is not None and not is_moment(event[name]):
            del event[name]
    done = event.get("event")
    if isinstance(done, int | float) and not isinstance(done, bool):
        event["event"] = _number_text(done)
    if isinstance(event.get("messageId"), bool | list | dict):
        del event["messageId"]


def choices_of(integrations: dict[str, Any]) -> dict[str, Any]:
    """The entries of `integrations` that say something."""
    return {name: choice for name, choice in integrations.items() if _is_choice(choice)}


def lift_traits(event: dict[str, Any]) -> int:
    """Give an identify event its traits, which RudderStack's Python SDK writes only into the context.

    Returns:
        How many bytes of JSON the event has grown by.
    """
    context = event.get("context")
    if event.get("type") != "identify" or event.get("traits") or not isinstance(context, dict):
        return 0
    traits = context.get("traits")
    if not isinstance(traits, dict):
        return 0
    event["traits"] = traits
    try:
        return len(write_json(traits))
    except ValueError:
        # What cannot be written is reported when the whole event is checked.
        return 0


def _is_choice(value: Any) -> bool:
    return value is None or isinstance(value, bool | dict)


def _number_text(number: float) -> Any:
    try:
        return id_text(number)
    except ValueError:
        return number
