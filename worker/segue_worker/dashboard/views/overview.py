"""The overview: the status of each destination, and its plots."""

from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from segue_worker.dashboard.context import PageRequest
from segue_worker.dashboard.pages import render
from segue_worker.dashboard.paging import page_of
from segue_worker.dashboard.series import MINUTE_MS, PER_MINUTE, PERCENTS, RANGES, Range, plot_series
from segue_worker.observing.metrics.minutes import read_minutes
from segue_worker.outbox.counters import title

ROWS: Final = 50
_SHOWN: Final = [
    "delivered",
    "merged",
    "filtered",
    "duplicates",
    "requests",
    "retries",
    "rate_limited",
    "repaired",
    "left_out",
    "interrupted",
    "replayed",
]
_HEADINGS: Final = {
    **{name: title(name) for name in PER_MINUTE},
    "requests_per_s": "requests",
    "queue_age_s": "queue age",
    "waiting_s": "time in the outbox",
    "limit_s": "time for the limit",
    "loops_s": "time at Loops",
    **{f"{what}_p{percent}_s": f"{what} p{percent}" for what, percents in PERCENTS.items() for percent in percents},
}


def overview(call: PageRequest) -> Response:
    """The destinations as rows, the worst first; of one, besides, its plots and all its counters."""
    overall = call.overall
    known = overall.known
    shown = page_of(call, overall.names, ROWS)
    drains = {name: overall.statuses[name].drain_s(overall.limit(name)) for name in shown.names}
    return render(
        call,
        "overview.html",
        title="Overview",
        statuses={name: overall.statuses[name] for name in shown.names},
        shown=shown,
        all_names=known.names,
        alone=len(shown.names) == 1,
        drains={name: max(filter(None, each.values()), default=0) for name, each in drains.items()},
        totals={name: title(name) for name in _SHOWN},
        outdated=known.workers.outdated(known.config),
        remark=known.remark,
        span_of_time=_range(call),
        ranges=RANGES,
    )


def series(call: PageRequest) -> Response:
    """The series that a destination's plots are drawn from, as JSON."""
    return JSONResponse(_series(call, _range(call)))


def numbers(call: PageRequest) -> Response:
    """The same series as a table."""
    span = _range(call)
    title = f"{call.params['destination']}: {span.title.lower()}"
    return render(call, "numbers.html", title=title, series=_series(call, span), span_of_time=span, headings=_HEADINGS)


def _series(call: PageRequest, span: Range) -> dict[str, Any]:
    name = call.params["destination"]
    known = call.known
    if name not in known.names:
        raise HTTPException(404)
    now_ms = call.dashboard.now_ms
    last = now_ms // MINUTE_MS
    minutes = read_minutes(call.dashboard.redis, name, last - span.minutes + 1, last)
    found = known.configured(name)
    return {**plot_series(minutes, now_ms, span, found.rate_limit if found else None), "every_s": span.every_s}


def _range(call: PageRequest) -> Range:
    return RANGES.get(call.query("range"), RANGES["1h"])
