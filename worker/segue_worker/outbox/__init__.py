"""The outbox as the worker sees it: claim, renew, settle, park, finish."""

from segue_worker.outbox.outbox import Claimed, Outbox, is_passing
from segue_worker.outbox.settlement import Next, Settlement

__all__ = ["Claimed", "Next", "Outbox", "Settlement", "is_passing"]
