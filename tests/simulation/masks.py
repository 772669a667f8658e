"""What is left out of the seeds, because the judge does not know it well enough yet. Empty is the aim."""

from typing import Final, NamedTuple


class Mask(NamedTuple):
    """What is left out for a finding: kinds of faults that are not drawn, and rules that are not judged."""

    kinds: frozenset[str] = frozenset()
    rules: frozenset[str] = frozenset()


def _kinds(*names: str) -> Mask:
    return Mask(kinds=frozenset(names))


MASKS: Final[dict[str, Mask]] = {
    # The judge's bounds do not count the hold of an hour that the limiter keeps, nor the minute after which a request
    # that something in between refuses is given up: what waits for them is called stalled, though nothing is.
    "refused-by-firewall": _kinds("attack"),
    "long-retry-after": _kinds("429 long"),
    # A server's clock that is set forward by more than a claim lasts makes claims lapse whose requests are under way.
    "redis-clock-step": _kinds("redis clock"),
    # A claim can be overtaken by a new one while its request is under way, once the person is forgotten.
    "forget-race": Mask(rules=frozenset({"overlap after forget"})),
}
