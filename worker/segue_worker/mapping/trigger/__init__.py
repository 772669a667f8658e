"""Segment's trigger language (FQL), limited to what Segment evaluates the way it reads (docs/segment.md#triggers)."""

from segue_worker.mapping.trigger.excerpt import point_out
from segue_worker.mapping.trigger.trigger import Trigger, compile_trigger

__all__ = ["Trigger", "compile_trigger", "point_out"]
