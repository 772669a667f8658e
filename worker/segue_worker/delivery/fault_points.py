"""Named places at which a test can have the process killed, as kill -9 does.

`SEGUE_FAULT_POINT=after_send:3` kills the process when it reaches that point for the third time. Not set, a point
costs one comparison.
"""

import os
import signal
from typing import Literal

Point = Literal["after_claim", "before_send", "after_send", "before_settle", "after_settle", "hand_over", "in_sweep"]

_armed, _, _times = os.environ.get("SEGUE_FAULT_POINT", "").partition(":")
_left = int(_times or 1)


def reach(point: Point) -> None:
    """Die here, if this is the point and the time."""
    if point != _armed:
        return
    global _left  # noqa: PLW0603 - the count belongs to the process
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
