"""Forgetting a person: what Segue still holds of them, and the contact at Loops where that is asked for."""

from segue_worker.forget.forgetting import Forgotten, forget_at_loops, forget_here

__all__ = ["Forgotten", "forget_at_loops", "forget_here"]
