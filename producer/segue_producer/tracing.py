"""Traces across the outbox: where a span of OpenTelemetry is active, events take its context along (docs/logs.md#traces).

Nothing is imported here until somebody else has imported OpenTelemetry, so who does not use it pays for a look into a dict.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from segue_producer.events import Prepared

_API = "opentelemetry.trace"


def wanted(prepared: Sequence[Prepared]) -> bool:
    """Whether a span is active, and the events have no context yet."""
    current = getattr(sys.modules.get(_API), "get_current_span", None)
    if current is None or not prepared or prepared[0].trace:
        return False
    return bool(current().get_span_context().is_valid)


@contextmanager
def enqueueing(prepared: Sequence[Prepared], destinations: Sequence[str]) -> Iterator[Sequence[Prepared]]:
    """A span around the enqueueing of events. Gives them with its context, or as they are where no span is active."""
    if not wanted(prepared):
        yield prepared
        return
    from opentelemetry import trace  # noqa: PLC0415 - see above

    names = ", ".join(destinations)
    attributes: dict[str, str | int] = {
        "messaging.system": "segue",
        "messaging.operation.name": "enqueue",
        "messaging.operation.type": "send",
        "messaging.destination.name": names,
        "messaging.batch.message_count": len(prepared),
        "messaging.message.id": prepared[0].message_id,
    }
    tracer = trace.get_tracer("segue")
    with tracer.start_as_current_span(f"enqueue {names}", kind=trace.SpanKind.PRODUCER, attributes=attributes) as span:
        context = span.get_span_context()
        parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
        yield [event._replace(trace=parent) for event in prepared]
