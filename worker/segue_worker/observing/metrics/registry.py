"""The metrics Segue tells Prometheus: each one's name, unit and meaning. `docs/metrics.md` is made from this list."""

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["counter", "gauge", "histogram"]
RETENTION: Final = "since the start of data"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. Each carries the label `destination`.

    Attributes:
        name: as Prometheus knows it; a counter's ends in `_total`.
        kind: of metric.
        unit: what is counted or measured.
        meaning: what it says.
        labels: further labels.
    """

    name: str
    kind: Kind
    unit: str
    meaning: str
    labels: tuple[str, ...] = ()


METRICS: Final = (
    Metric("segue_pending_events", "gauge", "events", "Events in outboxes, parked ones included"),
    Metric("segue_pending_events_limit", "gauge", "events", "Events the outboxes take (max_pending)"),
    Metric("segue_due_contacts", "gauge", "contacts", "Contacts whose events may be sent now and wait for a run"),
    Metric("segue_in_flight_contacts", "gauge", "contacts", "Contacts claimed by a run"),
    Metric("segue_parked_contacts", "gauge", "contacts", "Contacts that wait for a later attempt"),
    Metric("segue_dead_letters", "gauge", "dead letters", "Dead letters kept"),
    Metric(
        *("segue_paused", "gauge", "1 or 0", "1 while the destination is paused for the reason of label kind"),
        labels=("kind",),
    ),
    Metric(
        *("segue_oldest_pending_seconds", "gauge", "seconds"),
        "For how long the contact that waits longest has waited; 0 where none waits",
    ),
    Metric(
        *("segue_rate_limit_requests_per_second", "gauge", "requests per second"),
        "Requests the destination may be sent in any one second (rate_limit)",
    ),
    Metric("segue_log_entries", "gauge", "entries", "Entries of the log that segue trace and segue tail read"),
    Metric("segue_events_enqueued_total", "counter", "events", "Events put into the outbox"),
    Metric(
        *("segue_events_settled_total", "counter", "events"),
        "Events that left the outbox, by outcome: delivered, filtered (no mapping fired) or duplicate. "
        "An event of which every request died is in segue_dead_letters_total",
        ("outcome",),
    ),
    Metric("segue_dead_letters_total", "counter", "dead letters", "Requests and events given up for good"),
    Metric("segue_dead_letters_replayed_total", "counter", "dead letters", "Dead letters put back into the outbox"),
    Metric(
        *("segue_dead_letters_dropped_total", "counter", "dead letters"),
        "Dead letters forgotten, by whom: hand, or limit (too many or too old)",
        ("by",),
    ),
    Metric(
        *("segue_requests_total", "counter", "requests"),
        "Requests sent and recorded, answered or not. Loops may have received more: the last request of an interrupted "
        "claim, up to three times, of which nobody can know; what was under way for a contact that was forgotten; and "
        "what was recorded in writes that Redis lost",
    ),
    Metric("segue_retries_total", "counter", "requests", "Those of them that repeated an earlier attempt"),
    Metric("segue_rate_limited_total", "counter", "requests", "Those of them that Loops answered with 429"),
    Metric("segue_requests_saved_total", "counter", "requests", "Requests saved by merging neighbouring ones"),
    Metric(
        *("segue_interrupted_claims_total", "counter", "claims"),
        "Claims of a contact that ended without being settled: a worker was killed, lost Redis or overran its lease. "
        "segue trace and segue tail name their contacts' events",
    ),
    Metric(
        *("segue_mapping_events_total", "counter", "events"),
        "Events at each mapping, by outcome: fired, failed, or skipped because its trigger did not match",
        ("mapping", "outcome"),
    ),
    Metric(
        *("segue_delivery_seconds", "histogram", "seconds"),
        "From enqueueing to delivery, of events that were delivered",
    ),
    Metric("segue_request_seconds", "histogram", "seconds", "From sending a request to its answer or failure"),
)
BY_NAME: Final = {metric.name: metric for metric in METRICS}


def series_names() -> set[str]:
    """Every name a query may use: a histogram stands for three series."""
    names: set[str] = set()
    for metric in METRICS:
        if metric.kind == "histogram":
            names |= {f"{metric.name}_{suffix}" for suffix in ("bucket", "sum", "count")}
        else:
            names.add(metric.name)
    return names
