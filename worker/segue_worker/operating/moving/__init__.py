"""Moving what waits, is parked or died at one destination to another name."""

from segue_worker.operating.moving.moving import Moved, MoveError, move

__all__ = ["MoveError", "Moved", "move"]
