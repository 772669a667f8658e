"""The page that shows what was sent beside what Loops knows."""

from starlette.responses import Response

from segue_worker.dashboard.context import PageRequest
from segue_worker.dashboard.pages import render
from segue_worker.schema.compare import compare, faults
from segue_worker.schema.known import read_known
from segue_worker.schema.sent import read_sent


def schema(call: PageRequest) -> Response:
    """Each destination's names, those first that Loops does not know or has with another type."""
    found = []
    for name in call.known.names:
        known = read_known(call.dashboard.redis, name)
        rows = compare(read_sent(call.dashboard.redis, name), known)
        wrong = faults(rows)
        found.append((name, known, wrong, [row for row in rows if row not in wrong]))
    return render(call, "schema.html", title="Schema", found=found)
