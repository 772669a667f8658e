"""Lanes: what users wait for goes before backfills (docs/design.md#lanes)."""

from typing import Final, Literal, get_args

from segue_producer.errors import EnqueueError

Lane = Literal["live", "bulk"]
"""`live`: what just happened. `bulk`: backfills, imports and replays, which go behind."""
LANE_NAMES: Final[tuple[Lane, ...]] = get_args(Lane)


def check_lane(lane: str) -> Lane:
    """The lane, or EnqueueError where there is none of this name."""
    for name in LANE_NAMES:
        if lane == name:
            return name
    raise EnqueueError(f"lane {lane!r}: it must be 'live', or 'bulk' for backfills and imports, which go behind")
