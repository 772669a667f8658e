"""Why no mapping fired for an event, without the event's data. Pure."""

from collections.abc import Sequence
from typing import Any, Final

from segue_worker.mapping import CompiledMapping, lets_through

EVERY_MAPPING: Final = ""
"""Stands for all mappings, where the event itself is kept back."""


def unmet(event: dict[str, Any], mappings: Sequence[CompiledMapping]) -> dict[str, str]:
    """Name the condition that failed, for each mapping that does not fire, in configured order.

    The texts are those of the configuration, so there are only about as many as mappings have conditions.
    """
    if not lets_through(event):
        return {EVERY_MAPPING: "the event's `integrations` keep it back from Loops"}
    reasons = {}
    for mapping in mappings:
        reason = mapping.trigger.unmet(event) if mapping.enabled else "the mapping is disabled"
        if reason is not None:
            reasons[mapping.name] = reason
    return reasons
