"""The pages that show the mappings, as workers run them and as the file has them, and try them on an event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from segue_worker.config import duration_text
from segue_worker.dashboard.context import PageRequest
from segue_worker.dashboard.pages import render
from segue_worker.dashboard.paging import page_of
from segue_worker.errors import SegueError
from segue_worker.mapping import CompiledMapping
from segue_worker.mapping.definition import Definition
from segue_worker.masking import pretty
from segue_worker.observing.orphaned_mappings import gone_mappings
from segue_worker.observing.preview import NotAnEventError, as_taken, preview, read_event, remarks
from segue_worker.observing.running_mappings import Running, counts_of_a_day, in_file, read_running
from segue_worker.printable import visible_json
from segue_worker.schema.known import read_known
from segue_worker.schema.sent import SentKeys

SECTIONS: Final = 15
"""Destinations a page."""
ROWS: Final = 10
"""Mappings shown of each where there are several destinations."""
LONGEST: Final = 8000
"""Characters shown of one part of a mapping."""
_EXAMPLE = {
    "type": "track",
    "event": "Signed Up",
    "userId": "u1",
    "properties": {"plan": "Pro"},
    "context": {"traits": {"email": "ada@example.com"}},
}


@dataclass(frozen=True, slots=True)
class MappingTable:
    """The mappings of one destination as some workers run them, or as the file has them.

    Attributes:
        workers: how many run them; 0 where it is the file's.
        differs: whether that is not what the file says.
        rows: each mapping, with how it differs from the file.
    """

    workers: int
    differs: bool
    rows: Sequence[tuple[Definition, str]]


def mappings(call: PageRequest) -> Response:
    """All mappings, and a form to try them."""
    return _page(call, event=pretty(_EXAMPLE), destination="")


def show(call: PageRequest) -> Response:
    """One mapping: every part of it as workers run it, beside the file."""
    name, mapping = call.params["destination"], call.query("mapping")
    known = call.known
    if name not in known.names:
        raise HTTPException(404)
    redis = call.dashboard.redis
    running = read_running(redis, known.only([name]))[name]
    versions = [
        (f"{each.workers} worker{'s' * (each.workers != 1)}", each.definitions.get(mapping)) for each in running
    ]
    versions.append(("the file", (in_file(known, name) or {}).get(mapping)))
    columns = [(title, definition) for title, definition in versions if definition]
    if not columns:
        raise HTTPException(404)
    names = dict.fromkeys(part for _, definition in columns for part in definition.parts())
    return render(
        call,
        "mapping.html",
        title=mapping,
        destination=name,
        columns=[title for title, _ in columns],
        without=[title for title, definition in versions if not definition],
        parts=[(part, [_text(definition, part) for _, definition in columns]) for part in names],
        day=counts_of_a_day(redis, [name], call.dashboard.now_ms)[name],
    )


def _text(definition: Definition, name: str) -> str:
    """A part of a mapping, to be shown: texts as they are, all else as JSON; "" where it has none."""
    parts = definition.parts()
    if name not in parts:
        return "" if definition.fields is not None else "not known: they are of an older version"
    value = parts[name]
    if isinstance(value, timedelta):
        value = duration_text(value)
    text = value if isinstance(value, str) else pretty(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def preview_event(call: PageRequest) -> Response:
    """What the mappings of a destination make of the event in the form: those of the file, or those that workers run."""
    text, name = call.field("event"), call.field("destination")
    by = call.field("by") if call.field("by") == "run" else "file"

    def page(**result: Any) -> Response:
        return _page(call, event=text, destination=name, by=by, **result)

    try:
        chosen = _chosen(call, name, by)
        event, refused = as_taken(read_event(text.encode()))
    except NotAnEventError as error:
        said = str(error)
        return page(wrong=said[:1].upper() + said[1:])
    except SegueError as error:
        return page(wrong=str(error))
    found, sent = preview(event, chosen), SentKeys()
    sent.hear(read_known(call.dashboard.redis, name))
    requests = [
        (
            request.mapping,
            f"{request.method} {request.path}",
            visible_json(pretty(request.body)),
            remarks(request, sent),
        )
        for request in found.requests
    ]
    return page(found=found, requests=requests, warning=f"This is not enqueued: {refused}" if refused else "")


def _chosen(call: PageRequest, name: str, by: str) -> Sequence[CompiledMapping]:
    """The mappings to try. Raises SegueError where there are none."""
    known = call.known
    if by == "file":
        found = known.configured(name)
        if found is None:
            raise SegueError("The configuration has no destination of this name.")
        return found.mappings
    running = read_running(call.dashboard.redis, known.only([name])).get(name, [])
    if not running:
        raise SegueError("No worker that is alive serves this destination: try the mappings of the file.")
    return running[0].compiled()


def _tables(running: Sequence[Running], file: Mapping[str, Definition] | None) -> list[MappingTable]:
    """What is shown of a destination: what workers run, each different configuration by itself; without any, the file."""
    tables = []
    for each in running:
        same = file is not None and each.same(file)
        rows = [(found, "" if same else _difference(found, file or {})) for found in each.definitions.values()]
        missing = [(found, "only in the file") for name, found in (file or {}).items() if name not in each.definitions]
        tables.append(MappingTable(each.workers, not same, [*rows, *missing]))
    return tables or [MappingTable(0, False, [(found, "") for found in (file or {}).values()])]


def _difference(found: Definition, file: Mapping[str, Definition]) -> str:
    """How a mapping that workers run differs from that of the file."""
    if found.name not in file:
        return "not in the file"
    changed = found.differing(file[found.name])
    return f"the file has another {', '.join(changed)}" if changed else "as in the file"


def _page(call: PageRequest, *, event: str, destination: str, by: str = "run", **result: Any) -> Response:
    everything = call.known
    shown = page_of(call, everything.names, SECTIONS)
    known = everything.only(shown.names)
    redis = call.dashboard.redis
    running = read_running(redis, known)
    files = {name: in_file(known, name) for name in shown.names}
    config = everything.config
    empty: dict[str, Any] = {"found": None, "requests": [], "warning": "", "wrong": ""}
    return render(
        call,
        "mappings.html",
        title="Mappings",
        tables={name: _tables(running[name], files[name]) for name in shown.names if running[name] or files[name]},
        disabled={each.name for each in (config.destinations if config else ()) if not each.enabled},
        rows=ROWS if len(shown.names) > 1 else None,
        names=[name for name in everything.names if everything.configured(name) or name in everything.workers.served],
        shown=shown,
        all_names=everything.names,
        counts=counts_of_a_day(redis, shown.names, call.dashboard.now_ms),
        gone=gone_mappings(redis, known),
        outdated=everything.workers.outdated(config),
        remark=everything.remark,
        event=event,
        chosen=destination or call.query("destination"),
        by=by,
        **{**empty, **result},
    )
