"""Says why no mapping applied to an event, without quoting the event's data, so that the reason may be stored."""

from collections.abc import Sequence
from typing import Any, Final

from segue_worker.mapping import CompiledMapping, lets_through

EVERY_MAPPING: Final = ""
"""Stands in place of a mapping's name where the event's `integrations` exclude it from all of them."""


def filter_reasons(event: dict[str, Any], mappings: Sequence[CompiledMapping]) -> dict[str, str]:
    """Return, for each mapping that does not apply to an event, the condition that failed, in configured order.

    The reasons are texts of the configuration, so there are never many different ones.
    """
    if not lets_through(event):
        return {EVERY_MAPPING: "the event's `integrations` keep it back from Loops"}
    reasons = {}
    for mapping in mappings:
        reason = mapping.trigger.unmet(event) if mapping.enabled else "the mapping is disabled"
        if reason is not None:
            reasons[mapping.name] = reason
    return reasons
