"""The metrics as text, from keys as the worker leaves them."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from fakeredis import FakeRedis
from prometheus_client.parser import text_string_to_metric_families

from segue_producer.keys import DESTINATIONS, TRACKING_TOTALS, WORKERS, Keys
from segue_worker.observing.metrics.exposition import EVERYWHERE, VALUES, mapping_counts, render
from segue_worker.observing.metrics.registry import METRICS
from segue_worker.outbox.pause import Pause, PauseKind

from .series import series_names

KEYS = Keys("loops")


@pytest.fixture
def redis() -> Iterator[FakeRedis]:
    with FakeRedis(version=(6, 2)) as client:
        yield client


def samples(text: bytes) -> dict[tuple[str, ...], float]:
    """Name, destination and values of the further labels → value."""
    return {
        (sample.name, sample.labels.pop("destination", ""), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_every_metric_of_the_registry_has_a_source_and_no_other_has() -> None:
    sources = {
        metric.name: [
            *(metric.counters, metric.status, metric.measure, metric.name in VALUES),
            metric.everywhere and metric.name in EVERYWHERE,
        ]
        for metric in METRICS
    }
    assert {name: sum(map(bool, found)) for name, found in sources.items()} == dict.fromkeys(sources, 1)
    assert VALUES.keys() | EVERYWHERE.keys() <= sources.keys()
    assert len(METRICS) == len({metric.name for metric in METRICS})


def test_names_follow_prometheus_customs() -> None:
    for metric in METRICS:
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.name.startswith("segue_")


def test_what_is_shown_is_what_the_registry_lists(redis: FakeRedis) -> None:
    redis.hset(KEYS.settings, mapping={"max_pending": 10, "rate_limit": 5})
    redis.hset(KEYS.measures, mapping={"fired:Send events": 1, "mapped": 1, "rejected:malformed": 2})
    redis.hset(TRACKING_TOTALS, "refused:invalid_json", 1)
    redis.set(Keys("paused").paused, Pause("planned", 1, None, until=4_000_000_000_000).to_json())
    families = list(text_string_to_metric_families(render(redis, ["loops", "paused"]).decode()))
    assert {sample.name for family in families for sample in family.samples} == series_names()
    kinds = {metric.name.removesuffix("_total"): metric.kind for metric in METRICS}
    assert {family.name: family.type for family in families} == kinds


def test_numbers_come_from_redis(redis: FakeRedis) -> None:
    redis.set(KEYS.pending, 7)
    redis.hset(KEYS.totals, mapping={"delivered": 5, "duplicates": 2, "rate_limited": 1, "dead_dropped": 3})
    redis.hset(KEYS.measures, mapping={"enqueued": 14, "wait:0": 2, "wait:20": 1, "sum:wait": 2500})
    redis.hset(KEYS.settings, mapping={"rate_limit": 10})
    redis.set(KEYS.paused, Pause("Loops is down", 1, 2, kind=PauseKind.DOWN).to_json())
    redis.xadd(KEYS.log, {"e": "[]"})
    found = samples(render(redis, ["loops", "other"]))
    assert found["segue_pending_events", "loops"] == 7
    assert found["segue_pending_events", "other"] == 0
    assert found["segue_events_settled_total", "loops", "delivered"] == 5
    assert found["segue_events_settled_total", "loops", "duplicate"] == 2
    assert found["segue_events_enqueued_total", "loops"] == 14
    assert found["segue_dead_letters_dropped_total", "loops", "limit"] == 3
    assert found["segue_rate_limit_requests_per_second", "loops"] == 10
    assert ("segue_rate_limit_requests_per_second", "other") not in found
    assert (found["segue_paused", "loops", "down"], found["segue_paused", "loops", "hand"]) == (1, 0)
    assert found["segue_log_entries", "loops"] == 1
    assert found["segue_delivery_seconds_bucket", "loops", "0.001"] == 2
    assert found["segue_delivery_seconds_bucket", "loops", "86400.0"] == 2
    assert found["segue_delivery_seconds_bucket", "loops", "+Inf"] == 3
    assert found["segue_delivery_seconds_count", "loops"] == 3
    assert found["segue_delivery_seconds_sum", "loops"] == 2.5


def test_a_mappings_name_may_hold_anything(redis: FakeRedis) -> None:
    name = 'He said "50 %": a\\b\nc'
    redis.hset(KEYS.measures, mapping={f"fired:{name}": 4, "failed:Other": 1, "mapped": 9})
    found = samples(render(redis, ["loops"]))
    assert found["segue_mapping_events_total", "loops", name, "fired"] == 4
    assert found["segue_mapping_events_total", "loops", name, "skipped"] == 5
    assert found["segue_mapping_events_total", "loops", "Other", "failed"] == 1


def test_what_a_mapping_skipped_is_the_rest() -> None:
    assert mapping_counts({"fired:a": 3, "failed:a": 1, "fired:b": 5, "mapped": 5, "enqueued": 9, "wait:1": 2}) == {
        "a": {"fired": 3, "failed": 1, "skipped": 1},
        "b": {"fired": 5, "failed": 0, "skipped": 0},
    }
    assert mapping_counts({}) == {}


def test_no_destination_is_no_sample_of_one(redis: FakeRedis) -> None:
    everywhere = {metric.name for metric in METRICS if metric.everywhere}
    assert {name for name, *_ in samples(render(redis, []))} <= everywhere


def test_the_installation_is_told_of_too(redis: FakeRedis) -> None:
    assert samples(render(redis, []))["segue_sweep_age_seconds", ""] == math.inf
    seconds, _ = redis.time()
    redis.hset(DESTINATIONS, "loops", int(seconds) * 1000 - 90_000)
    redis.zadd(WORKERS, {"here": int(seconds) * 1000, "gone": int(seconds) * 1000 - 60_000})
    counts: dict[Any, Any] = {
        "requests": 4,
        "accepted": 9,
        "rejected": 3,
        "discarded": 1,
        "dropped_page": 2,
        "dropped_alias": 5,
    }
    redis.hset(TRACKING_TOTALS, mapping={**counts, "refused:invalid_write_key": 7})
    found = samples(render(redis, []))
    assert found["segue_workers", ""] == 1
    assert found["segue_sweep_age_seconds", ""] == pytest.approx(90, abs=5)
    assert found["segue_tracking_api_requests_total", ""] == 4
    assert found["segue_tracking_api_refused_requests_total", "", "invalid_write_key"] == 7
    outcomes = ("accepted", "kept", "discarded", "no_action")
    assert [found["segue_tracking_api_events_total", "", each] for each in outcomes] == [9, 2, 1, 7]


def test_only_what_is_meant_to_move_is_stalled(redis: FakeRedis) -> None:
    seconds, _ = redis.time()
    since = int(seconds) * 1000 - 600_000
    for name in ("due", "paused", "off", "gone"):
        redis.zadd(Keys(name).bulk, {"u1": since})
    redis.set(Keys("paused").paused, Pause("planned", since, None).to_json())
    found = samples(render(redis, ["due", "paused", "off", "gone"], orphaned=["gone"], disabled=["off"]))
    assert found["segue_stalled_seconds", "due"] == found["segue_lane_idle_seconds", "due", "bulk"] > 590
    assert found["segue_lane_idle_seconds", "due", "live"] == 0
    for name in ("paused", "off", "gone"):
        assert found["segue_stalled_seconds", name] == found["segue_lane_idle_seconds", name, "bulk"] == 0
