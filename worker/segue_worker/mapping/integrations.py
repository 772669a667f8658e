"""Whether an event's `integrations` object lets it through to Loops (Segment's spec, common fields)."""

from typing import Any, Final

_NAMES: Final = ("Loops (Actions)", "Actions Loops", "Loops")


def lets_through(event: dict[str, Any]) -> bool:
    """Tell whether `event` may go to Loops.

    An entry for Loops decides: false excludes Loops, true or an object of options lets the event through, and any
    other value is ignored. Without an entry for Loops, `All: false` excludes it.
    """
    integrations = event.get("integrations")
    if integrations.__class__ is not dict or not integrations:
        return True
    for name in _NAMES:
        choice = integrations.get(name)
        if isinstance(choice, (bool, dict)):
            return choice is not False
    return integrations.get("All") is not False
