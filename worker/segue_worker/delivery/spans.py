"""The spans of requests: one for the delivery, in the trace of the event, and one in it for the request to Loops.

Imported only where traces are asked for: it needs the extra `otel`.
"""

import logging
import re
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from segue_worker.delivery.process_log import in_words
from segue_worker.loops import Answer

_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_LINKS: Final = 20
"""Of a merged request, so many further events are linked."""

log = logging.getLogger(__name__)


async def send_traced(sending: Awaitable[Answer], name: str, traces: Sequence[str], about: Mapping[str, Any]) -> Answer:
    """Send a request within its spans. Raises what that does.

    Args:
        sending: sends it.
        name: method and path.
        traces: `traceparent` of its events, "" where they have none. It belongs to the trace of the first that has one, and
            links to the others.
        about: attributes of the delivery.
    """
    with ExitStack() as spans:
        span: Span = trace.INVALID_SPAN
        try:
            span = _enter(spans, name, traces, about)
        except Exception as error:  # noqa: BLE001 - no event must wait because it cannot be traced
            log.warning("a request has no span: %s", type(error).__name__)
        answer = await sending
        span.set_attribute("http.response.status_code", answer.status)
        if not answer.delivered:
            span.set_status(Status(StatusCode.ERROR, in_words(answer)))
        return answer


def _enter(spans: ExitStack, name: str, traces: Sequence[str], about: Mapping[str, Any]) -> Span:
    """Begin both spans. Returns that of the request."""
    tracer = trace.get_tracer("segue")
    contexts = list(filter(None, map(_span_context, dict.fromkeys(traces))))
    # The status of a span says what went wrong; the lines of a traceback say no more.
    spans.enter_context(
        tracer.start_as_current_span(
            f"deliver {about['messaging.destination.name']}",
            context=trace.set_span_in_context(trace.NonRecordingSpan(contexts[0])) if contexts else Context(),
            kind=SpanKind.CONSUMER,
            links=[Link(each) for each in contexts[1 : 1 + _LINKS]],
            attributes={"messaging.system": "segue", "messaging.operation.type": "process", **about},
            record_exception=False,
        )
    )
    return spans.enter_context(
        tracer.start_as_current_span(
            name,
            kind=SpanKind.CLIENT,
            attributes={"http.request.method": name.partition(" ")[0]},
            record_exception=False,
        )
    )


def _span_context(traceparent: str) -> SpanContext | None:
    found = _TRACEPARENT.fullmatch(traceparent)
    if not found:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    made = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return made if made.is_valid else None
