"""The outbox as the worker sees it: claim, renew, settle, park, finish."""

from segue_worker.outbox.outbox import Claimed, Next, Outbox, Settlement, is_passing

__all__ = ["Claimed", "Next", "Outbox", "Settlement", "is_passing"]
