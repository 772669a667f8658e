"""What recording costs: delivery with the log and the measures of every event, against delivery without."""

import os
from typing import Final

from benchmarks.delivery import segue_rate
from benchmarks.results import Row, ratios
from benchmarks.traces import updates

_SWITCH: Final = "SEGUE_RECORD"


def _rate(contacts: int, *, on: bool) -> float:
    """Events a second; the workers inherit the switch."""
    os.environ[_SWITCH] = "on" if on else "off"
    try:
        return segue_rate(list(updates(contacts, 1)))
    finally:
        del os.environ[_SWITCH]


def rows(*, rounds: int = 5, contacts: int = 20_000) -> list[Row]:
    """Throughput with recording against without, in turns."""
    with_it: list[float] = []
    without: list[float] = []
    for number in range(rounds):
        for on in (True, False) if number % 2 else (False, True):
            (with_it if on else without).append(_rate(contacts, on=on))
    detail = {"events/s": round(sorted(with_it)[rounds // 2]), "off": round(sorted(without)[rounds // 2])}
    return [Row("delivery, recording", "recording off", ratios(with_it, without), "x", 0.95, detail=detail)]
