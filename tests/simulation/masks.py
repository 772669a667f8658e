"""What is left out of the seeds, because the judge does not know it well enough yet. Empty is the aim."""

from typing import Final, NamedTuple


class Mask(NamedTuple):
    """What is left out for a finding: kinds of faults that are not drawn, and rules that are not judged."""

    kinds: frozenset[str] = frozenset()
    rules: frozenset[str] = frozenset()


def _kinds(*names: str) -> Mask:
    return Mask(kinds=frozenset(names))


MASKS: Final[dict[str, Mask]] = {
    # The judge's bound does not count the minute after which a request that something in between refuses is given up.
    "refused-by-firewall": _kinds("attack"),
    # A server's clock that is set forward by more than a claim lasts makes claims lapse whose requests are under way.
    "redis-clock-forward": Mask(rules=frozenset({"overlap, clock forward"})),
    # Renamed mappings are looked for with `UNMASK=plan-once`.
    "plan-once": _kinds("config"),
}
