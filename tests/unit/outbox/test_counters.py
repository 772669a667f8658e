"""What is counted is what the registry lists, wherever it is counted or shown."""

import re
from pathlib import Path
from typing import Final

from segue_worker.cli.status import SINCE
from segue_worker.delivery.backlog import OUTCOMES
from segue_worker.observing.metrics.registry import METRICS
from segue_worker.observing.status import COUNTED_AS
from segue_worker.outbox.counters import COUNTERS

ROOT: Final = Path(__file__).parents[3]
BY_NAME: Final = re.compile(r"'HINCRBY', KEYS\[\d+\], '(\w+)'")


def test_lua_counts_only_what_the_registry_lists() -> None:
    scripts = [path for top in ("producer", "worker") for path in (ROOT / top).rglob("*.lua")]
    counted = {name for path in scripts for name in BY_NAME.findall(path.read_text(encoding="utf-8"))}
    assert {"enqueued", "interrupted", "forgotten"} <= counted <= COUNTERS.keys()


def test_every_counter_is_one_metric() -> None:
    shown = [name for metric in METRICS for name in metric.counters.values()]
    assert sorted(shown) == sorted(COUNTERS)


def test_what_events_come_to_is_counted_by_deliveries() -> None:
    assert {COUNTERS[name].by for name in OUTCOMES if name} == {"delivery"}


def test_the_table_of_segue_status_has_columns_of_its_json() -> None:
    assert set(SINCE) <= set(COUNTED_AS.values())
