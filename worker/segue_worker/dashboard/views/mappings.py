"""The page that shows the mappings, and previews what they make of an event."""

from typing import Any, Final

from starlette.responses import Response

from segue_producer.keys import Keys
from segue_worker.config import Destination
from segue_worker.dashboard.context import PageRequest
from segue_worker.dashboard.pages import render
from segue_worker.dashboard.paging import page_of
from segue_worker.masking import pretty
from segue_worker.observing.destinations import KnownDestinations
from segue_worker.observing.metrics.exposition import mapping_counts
from segue_worker.observing.metrics.minutes import read_counts
from segue_worker.observing.orphaned_mappings import gone_mappings
from segue_worker.observing.preview import NotAnEventError, preview, read_event, refused_because, remarks
from segue_worker.observing.workers import read_plans
from segue_worker.outbox.plan import Plan, Rule
from segue_worker.schema.known import read_known
from segue_worker.schema.sent import SentKeys

SECTIONS: Final = 20
"""Destinations a page."""
_EXAMPLE = {
    "type": "track",
    "event": "Signed Up",
    "userId": "u1",
    "properties": {"plan": "Pro"},
    "context": {"traits": {"email": "ada@example.com"}},
}


def mappings(call: PageRequest) -> Response:
    """All mappings, and a form to try them."""
    return _page(call, event=pretty(_EXAMPLE), destination="")


def preview_event(call: PageRequest) -> Response:
    """What the mappings of a destination make of the event in the form."""
    text, name = call.field("event"), call.field("destination")
    chosen = call.dashboard.known().configured(name)
    if chosen is None:
        return _page(call, event=text, destination=name, wrong="The configuration has no destination of this name.")
    try:
        event = read_event(text.encode())
    except NotAnEventError as error:
        return _page(call, event=text, destination=name, wrong=f"{error}".capitalize())
    found, sent = preview(event, chosen.mappings), SentKeys()
    sent.hear(read_known(call.dashboard.redis, name))
    refused = refused_because(event)
    warning = f"This is not enqueued: {refused}" if refused else ""
    requests = [
        (request.mapping, f"{request.method} {request.path}", pretty(request.body), remarks(request, sent))
        for request in found.requests
    ]
    return _page(call, event=text, destination=name, found=found, requests=requests, warning=warning)


def _counts(call: PageRequest, destination: Destination) -> dict[str, dict[str, int]]:
    """How often each mapping fired, was skipped and failed, counted over all time."""
    measures: Any = call.dashboard.redis.hgetall(Keys(destination.name).measures)
    return mapping_counts(read_counts(measures))


def _others(call: PageRequest, known: KnownDestinations) -> list[tuple[str, int, list[tuple[Rule, str]]]]:
    """What workers run that is not what the file says: destination, number of workers, and each rule with the difference.

    The rules of the file that they do not run come last. A plan that is not kept any more has none.
    """
    destinations = known.config.destinations if known.config else ()
    found = {each.name: Plan.of(each.mappings) for each in destinations if each.name in known.names}
    others = []
    for name in sorted({*found, *known.workers.served.intersection(known.names)}):
        here = found.get(name, Plan.from_rules([]))
        for version, count in known.workers.plans(name).items():
            if version == here.version:
                continue
            key = Keys(name).plan + version
            there = (version and read_plans(call.dashboard.redis, [key])[0]) or Plan.from_rules([])
            rules = [(rule, _difference(rule, here)) for rule in there.rules]
            names = {rule.mapping for rule in there.rules}
            missing = [(rule, "only in the file") for rule in here.rules if rule.mapping not in names]
            others.append((name, count, rules + missing))
    return others


def _difference(rule: Rule, plan: Plan) -> str:
    """How a rule that workers have differs from that of the file."""
    same_name = [each for each in plan.rules if each.mapping == rule.mapping]
    if not same_name:
        return "not in the file"
    names = ("action", "trigger", "enabled")
    changed = [name for name in names if getattr(rule, name) != getattr(same_name[0], name)]
    return f"the file has another {' and '.join(changed)}" if changed else "as in the file"


def _page(call: PageRequest, *, event: str, destination: str, **result: Any) -> Response:
    everything = call.dashboard.known()
    shown = page_of(call, everything.names, SECTIONS)
    known = everything.only(shown.names)
    in_file: tuple[Destination, ...] = known.config.destinations if known.config else ()
    destinations = [each for each in in_file if each.name in known.names]
    empty: dict[str, Any] = {"found": None, "requests": [], "warning": "", "wrong": ""}
    return render(
        call,
        "mappings.html",
        title="Mappings",
        destinations=destinations,
        in_file=[each.name for each in in_file],
        shown=shown,
        all_names=everything.names,
        counts={each.name: _counts(call, each) for each in destinations},
        others=_others(call, known),
        gone=gone_mappings(call.dashboard.redis, known),
        outdated=known.workers.outdated(known.config),
        remark=known.remark,
        event=event,
        chosen=destination,
        **{**empty, **result},
    )
