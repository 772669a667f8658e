"""Mapping, trigger and payload rules for one event, against what Segment's own engine takes in Node."""

from typing import Any, Final

from benchmarks.mapping_bench import check_conformance, measure_scenes
from benchmarks.results import Row

SEGMENT_US: Final = 16.0
"""Measured in Node for one event; see docs/performance.md."""


def rows() -> list[Row]:
    """One row: the dearest and the cheapest of the scenes are its spread."""
    checked = check_conformance()
    scenes = measure_scenes()
    whole = [scene["compiled_us"] + scene["encode_us"] for scene in scenes]
    detail: dict[str, Any] = {scene["case"]: f"{us:.1f} µs" for scene, us in zip(scenes, whole, strict=True)}
    detail["recorded cases agreed"] = checked
    against = f"Segment in Node, {SEGMENT_US:.0f} µs"
    return [Row("mapping, per event", against, [us / SEGMENT_US for us in whole], "x", 1, "lower", detail)]
