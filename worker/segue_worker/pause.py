"""A pause: a whole destination held, with the reason and when to look again."""

import json
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Pause:
    """Why and since when a destination is held.

    Attributes:
        reason: for people; never a key or personal data.
        since: unix ms.
        next_probe: unix ms at which the destination is tried again, or None for a pause by hand, which stays.
        probes: how many probes have failed.
    """

    reason: str
    since: int
    next_probe: int | None
    probes: int = 0

    def to_json(self) -> bytes:
        """The form in which it is kept in Redis."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, raw: bytes | str) -> Self:
        """Read what `to_json` wrote."""
        return cls(**json.loads(raw))


PROBE_FIRST_S = 60
PROBE_LONGEST_S = 600


def after_probe(pause: Pause, now_ms: int) -> Pause:
    """The pause after one more failed probe: the next is twice as far off, up to ten minutes."""
    probes = pause.probes + 1
    wait_s = min(PROBE_LONGEST_S, PROBE_FIRST_S * 2 ** min(probes, 10))
    return Pause(pause.reason, pause.since, now_ms + wait_s * 1000, probes)
