"""When a destination as a whole is in trouble: a streak of failures, or a run of dead letters. Pure."""

import math
from dataclasses import dataclass
from typing import Final

from segue_worker.outbox.pause import PauseKind
from segue_worker.printable import counted

DOWN_AFTER: Final = 15
"""Failures in a row, over all contacts, after which Loops counts as down."""
BREAKER_LEAST: Final = 50
"""Refused requests before the breaker asks for their share."""


@dataclass(slots=True)
class Watch:
    """Counts the outcomes of one destination in one process.

    A single contact that always fails never pauses its destination: others succeed in between. The breaker asks for
    more refused requests than deliveries, so that a bad deploy or a wrong mapping does not empty the outbox into dead
    letters. What cost no request, and contacts that Loops does not know, say nothing of the kind.

    Attributes:
        key_taken: time of the event loop at which Loops last said that it takes the team's key.
    """

    failures: int = 0
    delivered: int = 0
    refused: int = 0
    key_taken: float = -math.inf

    def answered(self, *, passing_failure: bool) -> None:
        """Note an attempt: whether it failed in a way that may pass (5xx, timeout, no connection)."""
        self.failures = self.failures + 1 if passing_failure else 0

    def ended(self, *, delivered: int = 0, refused: int = 0) -> None:
        """Note final outcomes: events delivered, and requests that Loops refused for what they hold."""
        self.delivered += delivered
        self.refused += refused

    def trouble(self) -> tuple[PauseKind, str] | None:
        """What calls for a pause, if anything does; asking forgets it, so that a resumed destination starts afresh."""
        if self.failures >= DOWN_AFTER:
            reason = f"Loops is down: {self.failures} attempts in a row failed"
            self.failures = 0
            return PauseKind.DOWN, reason
        if self.refused >= BREAKER_LEAST:
            refused, delivered = self.refused, self.delivered
            self.refused = self.delivered = 0
            if refused > delivered:
                reason = (
                    f"Loops refused {counted(refused, 'request')} and took only {counted(delivered, 'event')}; look at them with "
                    "`segue dead list`, correct the cause, then `segue resume`"
                )
                return PauseKind.BREAKER, reason
        return None
