"""A pause: a whole destination that sends nothing, with the reason and when to look again. Pure."""

import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final, Self


class PauseKind(StrEnum):
    """Why a destination is paused."""

    HAND = "hand"
    REFUSED = "refused"
    """Loops refuses the API key, or is not at the address: somebody must correct the configuration."""
    DOWN = "down"
    """Loops does not answer, or only with errors."""
    BREAKER = "breaker"
    """Most requests became dead letters: somebody must look before more do."""


REFUSED_PROBE_S: Final = 60
DOWN_FIRST_PROBE_S: Final = 5
DOWN_LONGEST_PROBE_S: Final = 300


@dataclass(frozen=True, slots=True)
class Pause:
    """Why and since when a destination is paused.

    Attributes:
        reason: for people; never a key or personal data.
        since: unix ms.
        next_probe: unix ms at which the destination is tried again, or None where only a person resumes it.
        probes: how many probes have failed.
        kind: decides how often it is probed.
        until: unix ms at which it ends by itself, or None. Redis forgets it then, whoever is at work.
    """

    reason: str
    since: int
    next_probe: int | None
    probes: int = 0
    kind: PauseKind = PauseKind.HAND
    until: int | None = None

    def has_ended(self, now_ms: int) -> bool:
        """Whether its time is over, though Redis still has it: the clock was set back since, and would let it last too long."""
        return self.until is not None and not self.since <= now_ms < self.until

    def wants_probe(self, now_ms: int) -> bool:
        """Whether the destination is to be tried now; also where the clock was set back since the pause was written."""
        if self.next_probe is None:
            return False
        return now_ms >= self.next_probe or self.next_probe - now_ms > DOWN_LONGEST_PROBE_S * 1000

    def to_json(self) -> bytes:
        """The form in which it is kept in Redis."""
        fields = asdict(self)
        if self.until is None:
            # An older version reads all others.
            del fields["until"]
        return json.dumps(fields).encode()

    @classmethod
    def from_json(cls, raw: bytes | str) -> Self:
        """Read what `to_json` wrote. What cannot be read holds as well, until a person resumes the destination."""
        try:
            return cls._from_fields(**json.loads(raw))
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
            return cls("what is kept of the pause cannot be read; `segue resume` ends it", 0, None)

    @classmethod
    def _from_fields(  # noqa: PLR0913 - the fields of a record
        cls, *, reason: Any, since: Any, next_probe: Any, probes: Any, kind: Any, until: Any = None
    ) -> Self:
        probe, ends = (None if ms is None else int(ms) for ms in (next_probe, until))
        return cls(str(reason), int(since), probe, int(probes), PauseKind(kind), ends)


def begin(kind: PauseKind, reason: str, now_ms: int) -> Pause:
    """A pause that begins now."""
    return _next_probe(Pause(reason, now_ms, None, kind=kind), now_ms)


def after_probe(pause: Pause, now_ms: int) -> Pause:
    """The pause after one more failed probe."""
    return _next_probe(replace(pause, probes=pause.probes + 1), now_ms)


def _next_probe(pause: Pause, now_ms: int) -> Pause:
    match pause.kind:
        case PauseKind.REFUSED:
            wait_s = REFUSED_PROBE_S
        case PauseKind.DOWN:
            wait_s = min(DOWN_LONGEST_PROBE_S, DOWN_FIRST_PROBE_S * 2 ** min(pause.probes, 10))
        case PauseKind.HAND | PauseKind.BREAKER:
            return pause
    return replace(pause, next_probe=now_ms + wait_s * 1000)
