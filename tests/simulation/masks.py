"""Findings that are known and not mended yet: what is left out so that others are found. Empty is the aim."""

from typing import Final, NamedTuple


class Mask(NamedTuple):
    """What is left out for a finding: kinds of faults that are not drawn, and rules that are not judged."""

    kinds: frozenset[str] = frozenset()
    rules: frozenset[str] = frozenset()


def _kinds(*names: str) -> Mask:
    return Mask(kinds=frozenset(names))


MASKS: Final[dict[str, Mask]] = {
    "hostile-header": _kinds("hostile"),
    "redis-clock-step": _kinds("redis clock"),
    "refused-by-firewall": _kinds("attack"),
    "long-retry-after": _kinds("429 long"),
    "apart-not-remembered": _kinds("poison"),
    "forget-race": Mask(rules=frozenset({"forgotten sent", "overlap after forget"})),
    "pace-late-redis": Mask(rules=frozenset({"pace, Redis late"})),
    "plan-once": _kinds("config"),
}
