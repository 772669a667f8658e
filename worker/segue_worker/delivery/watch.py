"""When a destination as a whole is in trouble: a streak of failures, or a run of dead letters. Pure."""

from dataclasses import dataclass
from typing import Final

from segue_worker.outbox.pause import PauseKind

DOWN_AFTER: Final = 15
"""Failures in a row, over all contacts, after which Loops counts as down."""
BREAKER_LEAST: Final = 50
"""Dead letters in a row of outcomes before the breaker asks for their share."""


@dataclass(slots=True)
class Watch:
    """Counts the outcomes of one destination in one process.

    A single contact that always fails never pauses its destination: others succeed in between. The breaker asks for
    more dead letters than deliveries, so that a bad deploy or a wrong mapping does not empty the outbox into them.
    """

    failures: int = 0
    delivered: int = 0
    dead: int = 0

    def answered(self, *, passing_failure: bool) -> None:
        """Note an attempt: whether it failed in a way that may pass (5xx, timeout, no connection)."""
        self.failures = self.failures + 1 if passing_failure else 0

    def ended(self, *, delivered: int = 0, dead: int = 0) -> None:
        """Note final outcomes."""
        self.delivered += delivered
        self.dead += dead

    def trouble(self) -> tuple[PauseKind, str] | None:
        """What calls for a pause, if anything does; asking forgets it, so that a resumed destination starts afresh."""
        if self.failures >= DOWN_AFTER:
            reason = f"Loops is down: {self.failures} attempts in a row failed"
            self.failures = 0
            return PauseKind.DOWN, reason
        if self.dead >= BREAKER_LEAST:
            dead, delivered = self.dead, self.delivered
            self.dead = self.delivered = 0
            if dead > delivered:
                reason = (
                    f"{dead} requests became dead letters while {delivered} were delivered; look at them with "
                    "`segue dead list`, correct the cause, then `segue resume`"
                )
                return PauseKind.BREAKER, reason
        return None
