"""The metrics for Prometheus: name, unit, meaning and source of each. `docs/metrics.md` is generated from this list."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from segue_worker.outbox.counters import COUNTERS
from segue_worker.outbox.histogram import Measure

MetricKind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. It carries the label `destination`, unless it is of the whole installation.

    Attributes:
        name: as Prometheus knows it; a counter's ends in `_total`.
        kind: of metric.
        unit: what is counted or measured.
        meaning: what it says.
        labels: further labels.
        counters: value of the further label, "" where there is none → counter that is shown.
        status: what a gauge shows of `status.Status`.
        measure: what a histogram shows.
        everywhere: whether it is of the whole installation.
    """

    name: str
    kind: MetricKind
    unit: str
    meaning: str
    labels: tuple[str, ...] = ()
    counters: Mapping[str, str] = field(default_factory=dict)
    status: str = ""
    measure: Measure | None = None
    everywhere: bool = False

    @property
    def all_labels(self) -> tuple[str, ...]:
        """Every label it carries."""
        return self.labels if self.everywhere else ("destination", *self.labels)


def _counting(name: str, counter: str) -> Metric:
    """A metric that is one counter, with its meaning."""
    return Metric(name, "counter", COUNTERS[counter].unit, COUNTERS[counter].text, counters={"": counter})


METRICS: Final = (
    Metric("segue_pending_events", "gauge", "events", "Events in outboxes, parked ones included", status="pending"),
    Metric(
        *("segue_lane_pending_events", "gauge", "events"),
        "Events in outboxes, by lane",
        labels=("lane",),
    ),
    Metric(
        *("segue_lane_oldest_pending_seconds", "gauge", "seconds"),
        "How long the contact of each lane that waits longest has waited; 0 where none waits",
        labels=("lane",),
    ),
    Metric(
        *("segue_lane_idle_seconds", "gauge", "seconds"),
        "How long a contact of each lane could have been delivered to: the one that waits longest, a parked one from the time "
        "of its next attempt; 0 while the destination is paused, or not enabled",
        labels=("lane",),
    ),
    Metric(
        *("segue_stalled_seconds", "gauge", "seconds"),
        "For how long events could have been delivered, and nothing was settled: what segue health goes by; 0 while the "
        "destination is paused, or not enabled",
    ),
    Metric(
        *("segue_drain_seconds", "gauge", "seconds"),
        "How long it takes until each lane is empty at the limit, if nothing else comes; absent while paused",
        labels=("lane",),
    ),
    Metric("segue_pending_events_limit", "gauge", "events", "Most events that may wait (max_pending)"),
    Metric(
        *("segue_due_contacts", "gauge", "contacts", "Contacts whose events may be sent now and wait for a run"),
        status="due",
    ),
    Metric("segue_in_flight_contacts", "gauge", "contacts", "Contacts claimed by a run", status="in_flight"),
    Metric("segue_parked_contacts", "gauge", "contacts", "Contacts that wait for a retry", status="parked"),
    Metric("segue_dead_letters", "gauge", "dead letters", "Dead letters kept", status="dead"),
    Metric(
        *("segue_paused", "gauge", "1 or 0", "1 while the destination is paused for the reason of label kind"),
        labels=("kind",),
    ),
    Metric(
        *("segue_pause_ends_timestamp_seconds", "gauge", "unix seconds"),
        "When the pause ends by itself; absent where there is none, or it does not",
    ),
    Metric(
        *("segue_damaged", "gauge", "1 or 0"),
        "1 while a key of the destination in Redis does not hold what it should, and so nothing else can be told of it: all its "
        "other metrics are absent; segue status says which key",
    ),
    Metric(
        *("segue_orphaned", "gauge", "1 or 0"),
        "1 while the destination holds something, and neither the configuration nor a worker has it",
    ),
    Metric(
        *("segue_oldest_pending_seconds", "gauge", "seconds"),
        "How long the contact that waits longest has waited; 0 where none waits",
        status="oldest_pending_s",
    ),
    Metric(
        *("segue_rate_limit_requests_per_second", "gauge", "requests per second"),
        "Requests the destination may be sent in any one second (rate_limit)",
    ),
    Metric(
        *("segue_unknown_properties", "gauge", "names"),
        "1 for each property, mailing list and event that was sent in the last 30 days and that Loops does not know (status "
        "unknown) or has with another type (type differs); of more than 100 the others are one number without a name, and 0 stands there where there is none. "
        "segue schema lists them all",
        labels=("kind", "name", "status"),
    ),
    Metric("segue_log_entries", "gauge", "entries", "Entries of the log that segue trace and segue tail read"),
    _counting("segue_events_enqueued_total", "enqueued"),
    _counting("segue_hints_failed_total", "hints_failed"),
    Metric(
        *("segue_events_settled_total", "counter", "events"),
        "Events that left the outbox, by outcome: delivered, filtered (no mapping fired) or duplicate. "
        "An event of which every request died is in segue_dead_letters_total",
        labels=("outcome",),
        counters={"delivered": "delivered", "filtered": "filtered", "duplicate": "duplicates"},
    ),
    _counting("segue_events_forgotten_total", "forgotten"),
    _counting("segue_events_unchanged_total", "unchanged"),
    _counting("segue_dead_letters_total", "dead"),
    Metric(
        *("segue_rejected_events_total", "counter", "events"),
        "Events that no outbox took and that became dead letters, by reason: malformed, no_identity, too_large, type (no "
        "call that Loops has an action for), too_many_events, arguments or destination (of a task), full",
        labels=("reason",),
    ),
    _counting("segue_dead_letters_replayed_total", "replayed"),
    Metric(
        *("segue_dead_letters_dropped_total", "counter", "dead letters"),
        "Dead letters deleted, by hand or by limit (too many or too old)",
        labels=("by",),
        counters={"hand": "dropped", "limit": "dead_dropped"},
    ),
    _counting("segue_requests_total", "requests"),
    _counting("segue_retries_total", "retries"),
    _counting("segue_rate_limited_total", "rate_limited"),
    _counting("segue_requests_saved_total", "merged"),
    Metric(
        *("segue_values_total", "counter", "values"),
        "Values of requests that Loops cannot hold as they were, by outcome: repaired (another form of the same value) or "
        "left_out; segue trace names them",
        labels=("outcome",),
        counters={"repaired": "repaired", "left_out": "left_out"},
    ),
    _counting("segue_interrupted_claims_total", "interrupted"),
    Metric(
        *("segue_mapping_events_total", "counter", "events"),
        "Events at each mapping, by outcome: fired, failed, or skipped because its trigger did not match",
        labels=("mapping", "outcome"),
    ),
    Metric(
        *("segue_delivery_seconds", "histogram", "seconds"),
        "From enqueueing to delivery, of events that were delivered",
        measure="wait",
    ),
    Metric(
        *("segue_request_seconds", "histogram", "seconds"),
        "From sending a request to its answer or failure",
        measure="took",
    ),
    Metric(
        "segue_workers", "gauge", "workers", "Workers that said within 20 seconds that they are alive", everywhere=True
    ),
    Metric(
        *("segue_sweep_age_seconds", "gauge", "seconds"),
        "How long ago the last sweep was, which is done each second; +Inf where there never was one",
        everywhere=True,
    ),
    Metric(
        *("segue_tracking_api_requests_total", "counter", "requests"),
        "Requests that the Tracking API took",
        everywhere=True,
    ),
    Metric(
        *("segue_tracking_api_refused_requests_total", "counter", "requests"),
        "Requests that the Tracking API refused as a whole, by the code of the answer",
        labels=("reason",),
        everywhere=True,
    ),
    Metric(
        *("segue_tracking_api_events_total", "counter", "events"),
        "Events of those requests that it took: accepted (into at least one outbox), kept (as dead letters, because they are at "
        "fault; segue_rejected_events_total says why), discarded (the same, of public write keys that sent too many), or "
        "no_action (page, screen, group and alias, for which Loops has none)",
        labels=("outcome",),
        everywhere=True,
    ),
)
