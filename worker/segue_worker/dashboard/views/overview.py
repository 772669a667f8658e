"""The overview: the status of each destination, and its plots."""

from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from segue_worker.dashboard.context import PageRequest
from segue_worker.dashboard.pages import render
from segue_worker.dashboard.paging import page_of
from segue_worker.dashboard.series import MINUTE_MS, PER_MINUTE, PERCENTS, RANGES, Range, plot_series
from segue_worker.observing.destinations import orphan_text
from segue_worker.observing.metrics.minutes import read_minutes
from segue_worker.observing.problems import find_problems
from segue_worker.observing.status import read_statuses
from segue_worker.outbox.counters import title

PLOTTED: Final = 8
"""So many destinations at most are shown with all their numbers and plots."""
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
    **{f"{what}_p{percent}_s": f"{what} p{percent}" for what, percents in PERCENTS.items() for percent in percents},
}


def overview(call: PageRequest) -> Response:
    """The destinations, the worst first: with plots where they are few, as rows where they are many."""
    known = call.dashboard.known()
    redis = call.dashboard.redis
    statuses = read_statuses(redis, known.names)
    problems = find_problems(redis, known, statuses)
    # Few stay where they are when one of them gets into trouble.
    names = known.names if len(known.names) <= PLOTTED else tuple(dict.fromkeys((*problems, *known.names)))
    shown = page_of(call, names, ROWS)
    config = {each.name: each for each in (known.config.destinations if known.config else ())}
    limits = {name: config[name].rate_limit if name in config else None for name in shown.names}
    return render(
        call,
        "overview.html",
        title="Overview",
        statuses={name: statuses[name] for name in shown.names},
        shown=shown,
        all_names=known.names,
        in_rows=shown.found > PLOTTED,
        problems=problems,
        drains={
            name: max(filter(None, statuses[name].drain_s(limit).values()), default=0) for name, limit in limits.items()
        },
        totals={name: title(name) for name in _SHOWN},
        disabled={name for name, each in config.items() if not each.enabled},
        orphaned={name: orphan_text(name) for name in known.orphaned},
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
    known = call.dashboard.known()
    if name not in known.names:
        raise HTTPException(404)
    now_ms = call.dashboard.now_ms
    last = now_ms // MINUTE_MS
    minutes = read_minutes(call.dashboard.redis, name, last - span.minutes + 1, last)
    found = known.configured(name)
    return {**plot_series(minutes, now_ms, span, found.rate_limit if found else None), "every_s": span.every_s}


def _range(call: PageRequest) -> Range:
    return RANGES.get(call.query("range"), RANGES["1h"])
