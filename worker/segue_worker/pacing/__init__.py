"""Pacing: send slots shared by every worker of a Loops team."""

from segue_worker.pacing.pacer import Pacer, Slot

__all__ = ["Pacer", "Slot"]
