"""Findings that are known and not mended yet: what is left out so that others are found. Empty is the aim."""

from typing import Final, NamedTuple


class Mask(NamedTuple):
    """What is left out for a finding: kinds of faults that are not drawn, and rules that are not judged."""

    kinds: frozenset[str] = frozenset()
    rules: frozenset[str] = frozenset()


def _kinds(*names: str) -> Mask:
    return Mask(kinds=frozenset(names))


MASKS: Final[dict[str, Mask]] = {
    "refused-by-firewall": _kinds("attack"),
    "forget-race": Mask(rules=frozenset({"forgotten sent", "overlap after forget"})),
    "redis-clock-forward": Mask(rules=frozenset({"overlap, clock forward"})),
    "plan-once": _kinds("config"),
}
