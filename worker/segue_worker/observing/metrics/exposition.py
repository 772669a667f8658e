"""Writes the metrics in Prometheus's text format, read from Redis at the moment they are asked for."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from redis import Redis

from segue_producer.keys import DEFAULT_MAX_PENDING, TRACKING_TOTALS, Keys
from segue_worker.observing.counts import read_counts
from segue_worker.observing.destinations import KnownDestinations
from segue_worker.observing.health import swept_s_ago
from segue_worker.observing.metrics.registry import METRICS
from segue_worker.observing.metrics.registry import Metric as Entry
from segue_worker.observing.status import Status, read_statuses
from segue_worker.observing.workers import read_workers
from segue_worker.outbox.counters import FAILED, FIRED, MAPPED, REJECTED
from segue_worker.outbox.histogram import BOUNDS_MS, Histogram
from segue_worker.outbox.pause import PauseKind
from segue_worker.schema.compare import Row, compare, faults
from segue_worker.schema.known import Known
from segue_worker.schema.sent import sent_from

_SETTINGS: Final = ("max_pending", "rate_limit")
_NAMES_MOST: Final = 100
CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
"""Of what `render` returns."""
DAMAGED: Final = "segue_damaged"
"""Of a damaged destination the only metric."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What Redis knows of the whole installation.

    Attributes:
        workers: how many are alive.
        swept_s_ago: seconds since the last sweep, or None where there never was one.
        tracking: counters of the Tracking API.
    """

    workers: int
    swept_s_ago: float | None
    tracking: Mapping[str, int]

    @classmethod
    def read(cls, redis: "Redis") -> Self:
        """Raises redis.RedisError where Redis does not answer."""
        tracking: Any = redis.hgetall(TRACKING_TOTALS)
        return cls(len(read_workers(redis).about), swept_s_ago(redis), read_counts(tracking))


@dataclass(frozen=True, slots=True)
class MetricsReading:
    """What Redis knows of one destination.

    Attributes:
        status: what it is doing.
        measures: further counters.
        settings: of its configuration, as far as workers have announced it.
        log_entries: length of its log.
        unknown: what was sent that Loops does not know, or with another type.
        orphaned: whether nobody serves it any more.
        enabled: whether it is to be delivered to, as far as is known.
    """

    status: Status
    measures: Mapping[str, int]
    settings: Mapping[str, int]
    log_entries: int
    unknown: Sequence[Row]
    orphaned: bool
    enabled: bool


Samples = Iterable[tuple[tuple[str, ...], float]]
"""Values of the further labels, and the number."""


def render(
    redis: "Redis",
    destinations: Sequence[str],
    *,
    orphaned: Collection[str] = (),
    disabled: Collection[str] = (),
    damaged: Collection[str] = (),
) -> bytes:
    """Every metric of the registry, in Prometheus's text format (`CONTENT_TYPE`).

    Args:
        redis: client that answers bytes.
        destinations: names.
        orphaned: those of them that nobody serves.
        disabled: those of them that are not enabled in the configuration.
        damaged: further destinations, of which nothing else can be told.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    readings = _read(redis, destinations, orphaned, disabled)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(readings, Installation.read(redis), damaged))
    return generate_latest(registry)


def render_known(redis: "Redis", known: KnownDestinations) -> bytes:
    """`render` of the destinations there are."""
    orphaned, disabled = known.orphaned, known.disabled
    return render(redis, known.names, orphaned=orphaned, disabled=disabled, damaged=known.damaged)


def _settings(answer: Iterable[Any]) -> dict[str, int]:
    return {name: int(value) for name, value in zip(_SETTINGS, answer, strict=True) if value is not None}


def _read(
    redis: "Redis", destinations: Sequence[str], orphaned: Collection[str], disabled: Collection[str]
) -> dict[str, MetricsReading]:
    statuses = read_statuses(redis, destinations)
    with redis.pipeline(transaction=False) as pipe:
        for name in destinations:
            keys = Keys(name)
            pipe.hgetall(keys.measures)
            pipe.hmget(keys.settings, *_SETTINGS)
            pipe.xlen(keys.log)
            pipe.get(keys.sent)
            pipe.get(keys.known)
        answers = iter(pipe.execute())
    return {
        name: MetricsReading(
            *(
                statuses[name],
                read_counts(next(answers)),
                _settings(next(answers)),
                int(next(answers)),
                _unknown(next(answers), next(answers)),
            ),
            name in orphaned,
            name not in disabled and name not in orphaned,
        )
        for name in destinations
    }


def mapping_counts(measures: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """How often each mapping fired, failed or was skipped, over all time: mapping → outcome → events.

    Replays are not counted. A mapping appears once it has fired or failed; from then on all earlier events count as
    skipped by it, as if it had always been configured.
    """
    found: dict[str, dict[str, int]] = {}
    for name, count in measures.items():
        outcome, separator, mapping = name.partition(":")
        if separator and outcome in {FIRED, FAILED}:
            found.setdefault(mapping, {FIRED: 0, FAILED: 0})[outcome] = count
    mapped = measures.get(MAPPED, 0)
    return {
        mapping: {**counts, "skipped": max(0, mapped - sum(counts.values()))}
        for mapping, counts in sorted(found.items())
    }


class _Collector(Collector):
    """Offers readings to prometheus-client."""

    def __init__(
        self, readings: Mapping[str, MetricsReading], installation: Installation, damaged: Collection[str]
    ) -> None:
        self._readings = readings
        self._damaged = damaged
        self._installation = installation

    def collect(self) -> Iterator[Metric]:
        for entry in METRICS:
            if entry.kind == "histogram":
                yield self._histogram(entry)
                continue
            labels = entry.all_labels
            help_text = f"{entry.meaning}."
            family = (
                CounterMetricFamily(entry.name, help_text, labels=labels)
                if entry.kind == "counter"
                else GaugeMetricFamily(entry.name, help_text, labels=labels)
            )
            if entry.everywhere:
                for values, number in EVERYWHERE[entry.name](self._installation):
                    family.add_metric(values, number)
            else:
                for destination, reading in self._readings.items():
                    for values, number in _values(entry, reading):
                        family.add_metric([destination, *values], number)
            for destination in self._damaged if entry.name == DAMAGED else ():
                family.add_metric([destination], 1)
            yield family

    def _histogram(self, entry: Entry) -> Metric:
        family = HistogramMetricFamily(entry.name, f"{entry.meaning}.", labels=["destination"])
        for destination, reading in self._readings.items():
            histogram = Histogram.read(entry.measure, reading.measures) if entry.measure else Histogram()
            family.add_metric([destination], _cumulative(histogram), histogram.sum_ms / 1000)
        return family


def _cumulative(histogram: Histogram) -> list[Any]:
    bounds = [*(str(bound / 1000) for bound in BOUNDS_MS), "+Inf"]
    passed = 0
    buckets = []
    for bound, number in zip(bounds, histogram.counts, strict=True):
        passed += number
        buckets.append((bound, passed))
    return buckets


def _values(entry: Entry, reading: MetricsReading) -> Samples:
    """What a counter or a gauge shows."""
    if entry.counters:
        counters = {**reading.measures, **reading.status.counters}
        return [((value,) if value else (), counters.get(name, 0)) for value, name in entry.counters.items()]
    if entry.status:
        return [((), getattr(reading.status, entry.status))]
    return VALUES[entry.name](reading)


def _paused(reading: MetricsReading) -> Samples:
    pause = reading.status.paused
    return [((str(kind),), int(pause is not None and pause.kind == kind)) for kind in PauseKind]


def _pause_ends(reading: MetricsReading) -> Samples:
    pause = reading.status.paused
    return [((), pause.until / 1000)] if pause and pause.until is not None else []


def _unknown(sent: bytes | None, known: bytes | None) -> list[Row]:
    return faults(compare(sent_from(sent), Known.from_json(known)))


def _unknown_names(reading: MetricsReading) -> Samples:
    if not reading.unknown:
        yield ("", "", ""), 0
    for row in reading.unknown[:_NAMES_MOST]:
        kind = "event property" if row.event else row.kind
        yield (kind, f"{row.event}: {row.name}" if row.event else row.name, row.status), 1
    if reading.unknown[_NAMES_MOST:]:
        yield ("", "", ""), len(reading.unknown) - _NAMES_MOST


def _mappings(reading: MetricsReading) -> Samples:
    for mapping, counts in mapping_counts(reading.measures).items():
        for outcome, count in counts.items():
            yield (mapping, outcome), count


def _drain(reading: MetricsReading) -> Samples:
    drains = reading.status.drain_s(reading.settings.get("rate_limit"))
    return [((lane,), seconds) for lane, seconds in drains.items() if seconds is not None]


def _after(prefix: str, counts: Mapping[str, int]) -> Samples:
    """The counts whose names begin so, by the rest of the name."""
    return [((name.removeprefix(prefix),), count) for name, count in sorted(counts.items()) if name.startswith(prefix)]


def _tracked(reading: Installation) -> Samples:
    counts = reading.tracking
    discarded = counts.get("discarded", 0)
    yield ("accepted",), counts.get("accepted", 0)
    yield ("kept",), counts.get("rejected", 0) - discarded
    yield ("discarded",), discarded
    yield ("no_action",), sum(count for name, count in counts.items() if name.startswith("dropped_"))


VALUES: Final[dict[str, Callable[[MetricsReading], Samples]]] = {
    "segue_pending_events_limit": lambda reading: [((), reading.settings.get("max_pending", DEFAULT_MAX_PENDING))],
    "segue_lane_pending_events": lambda reading: [
        ((lane,), status.pending) for lane, status in reading.status.lanes.items()
    ],
    "segue_lane_oldest_pending_seconds": lambda reading: [
        ((lane,), status.oldest_pending_s) for lane, status in reading.status.lanes.items()
    ],
    "segue_lane_idle_seconds": lambda reading: [
        ((lane,), status.idle_s if reading.enabled and not reading.status.paused else 0.0)
        for lane, status in reading.status.lanes.items()
    ],
    "segue_stalled_seconds": lambda reading: [((), reading.status.stalled_s if reading.enabled else 0.0)],
    "segue_drain_seconds": _drain,
    "segue_paused": _paused,
    "segue_pause_ends_timestamp_seconds": _pause_ends,
    DAMAGED: lambda _reading: [((), 0)],
    "segue_orphaned": lambda reading: [((), int(reading.orphaned))],
    "segue_rate_limit_requests_per_second": lambda reading: (
        [((), reading.settings["rate_limit"])] if "rate_limit" in reading.settings else []
    ),
    "segue_unknown_properties": _unknown_names,
    "segue_log_entries": lambda reading: [((), reading.log_entries)],
    "segue_mapping_events_total": _mappings,
    "segue_rejected_events_total": lambda reading: _after(f"{REJECTED}:", reading.measures),
}
"""Where the other metrics of a destination come from."""
EVERYWHERE: Final[dict[str, Callable[[Installation], Samples]]] = {
    "segue_workers": lambda reading: [((), reading.workers)],
    "segue_sweep_age_seconds": lambda reading: [((), math.inf if reading.swept_s_ago is None else reading.swept_s_ago)],
    "segue_tracking_api_requests_total": lambda reading: [((), reading.tracking.get("requests", 0))],
    "segue_tracking_api_refused_requests_total": lambda reading: _after("refused:", reading.tracking),
    "segue_tracking_api_events_total": _tracked,
}
"""Where those of the installation come from."""
