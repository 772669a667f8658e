"""Events take the context of an active span along, and cost nothing more where there is none."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from segue_producer import append, tracing
from segue_producer.entries import source_of
from segue_producer.events import Prepared, prepare
from segue_producer.keys import Keys
from segue_worker.outbox.entry import partial_entry, read_entry, with_origin

EVENT = {"type": "track", "userId": "u1", "event": "E", "messageId": "m1"}
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    before = trace._TRACER_PROVIDER
    trace._TRACER_PROVIDER = provider
    yield exporter
    trace._TRACER_PROVIDER = before


def entry_of(prepared: Prepared) -> bytes:
    _, args = append.arguments(Keys("loops"), [prepared], now_ms=1_767_225_600_123)
    entry: bytes = args[-1]
    return entry


@pytest.mark.parametrize("source", ["", source_of("a write key")])
@pytest.mark.parametrize("parent", ["", PARENT])
def test_what_an_entry_says_of_source_and_trace_is_read_again(source: str, parent: str) -> None:
    plain = prepare(EVENT, source=source)
    waiting = read_entry(entry_of(plain._replace(trace=parent)))
    assert (waiting.source, waiting.trace, waiting.message_id) == (source, parent, "m1")
    assert waiting.text == read_entry(entry_of(plain)).text, "the event is the same with it and without"
    waiting.done = {"a": "delivered"}
    for entry in (waiting.partial(), with_origin(entry_of(plain._replace(trace=parent)), "old")):
        again = read_entry(entry)
        assert (again.source, again.trace, again.text) == (source, parent, waiting.text)


def test_entries_from_before_there_were_traces_are_read() -> None:
    assert read_entry(partial_entry(prepare(EVENT).json.decode())).trace == ""
    assert read_entry(prepare(EVENT).json).trace == ""


@pytest.mark.parametrize("end", ["-01", f" {PARENT}", f'"{PARENT}'])
def test_no_event_is_taken_for_one_with_a_trace(end: str) -> None:
    event = {**EVENT, "event": f"E{end}", "properties": {"last": end}}
    waiting = read_entry(entry_of(prepare(event)))
    assert (waiting.trace, waiting.event and waiting.event["event"]) == ("", event["event"])


def test_within_a_span_events_get_the_context_of_their_enqueueing(exporter: InMemorySpanExporter) -> None:
    events = [prepare(EVENT), prepare({**EVENT, "messageId": "m2"})]
    with trace.get_tracer("test").start_as_current_span("web") as web, tracing.enqueueing(events, ["loops"]) as traced:
        pass
    enqueue = exporter.get_finished_spans()[0]
    assert (enqueue.name, enqueue.parent) == ("enqueue loops", web.get_span_context())
    assert enqueue.context
    parent = f"00-{enqueue.context.trace_id:032x}-{enqueue.context.span_id:016x}-{enqueue.context.trace_flags:02x}"
    assert [event.trace for event in traced] == [parent, parent]
    assert [event._replace(trace="") for event in traced] == events


def test_without_a_span_they_stay_as_they_are(exporter: InMemorySpanExporter) -> None:
    events = [prepare(EVENT)]
    with tracing.enqueueing(events, ["loops"]) as traced:
        assert traced is events
    assert exporter.get_finished_spans() == ()


def test_what_has_a_context_keeps_it(exporter: InMemorySpanExporter) -> None:
    events = [prepare(EVENT)._replace(trace=PARENT)]
    with trace.get_tracer("test").start_as_current_span("web"), tracing.enqueueing(events, ["loops"]) as traced:
        assert traced is events
    assert [span.name for span in exporter.get_finished_spans()] == ["web"]


def test_opentelemetry_need_not_be_installed() -> None:
    code = """
import sys
sys.modules["opentelemetry"] = None
from segue_producer import Producer, tracing
from segue_producer.events import prepare
from segue_worker.process.traces import set_up_traces
assert not tracing.wanted([prepare({"type": "track", "userId": "u1", "event": "E"})])
assert set_up_traces() is None
import os
os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"
assert set_up_traces() is None
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)
    assert "no traces: " in done.stderr
    assert 'pip install "segue[otel]"' in done.stderr
