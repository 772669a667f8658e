"""The pages about dead letters: find, inspect, replay and delete them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from math import ceil, inf
from typing import Any, Final
from urllib.parse import urlencode

from redis import Redis
from starlette.exceptions import HTTPException
from starlette.responses import Response

from segue_producer.keys import Keys
from segue_worker.dashboard.context import PageRequest
from segue_worker.dashboard.jobs import Job, Work
from segue_worker.dashboard.pages import go_to, render
from segue_worker.dashboard.paging import page_number
from segue_worker.operating.dead_letters import (
    Chooser,
    Filter,
    History,
    Indexed,
    NotReplayable,
    Replay,
    Replayed,
    drop,
    grouped,
    in_order,
    parse_since,
    prepare_replay,
    read_letters,
    replay,
)
from segue_worker.outbox.dead_letter import REASONS, DeadLetter

SHOWN: Final = 50
"""Letters a page."""
GROUPS: Final = 30
READS_S: Final = 0.15
"""For how long causes are read for a page; the next one goes on."""
_FILTERS: Final = ("reason", "since", "event", "mapping", "group")
_VERBS: Final = {"replay": "Replay", "drop": "Delete"}
_JOBS: Final = {"replay": "Replay dead letters", "drop": "Delete dead letters", "retry": "Retry now"}
_LONGEST_NUMBER: Final = 20


def letters(call: PageRequest) -> Response:
    """The dead letters of a destination that the filters let through: by their causes, and the newest of them."""
    redis, now_ms = call.dashboard.redis, call.dashboard.now_ms
    known = call.known
    destination = call.query("destination") or _with_most(redis, known.names)
    if destination and destination not in known.names:
        raise HTTPException(404)
    chosen = {name: call.query(name) for name in _FILTERS}
    wrong = ""
    try:
        wanted = _filter(call, chosen)
    except ValueError as error:
        wrong, wanted = f"“Since”: {error}.", Filter()
    indexed = call.dashboard.letters.read(redis, destination, within_s=READS_S) if destination else Indexed([])
    found = indexed.matching(wanted)
    trends = [(group, group.per_hour(now_ms)) for group in grouped(found)]
    trends.sort(key=lambda each: -sum(each[1]))
    page, pages = page_number(call, len(found), SHOWN)
    ids = [name for name, _, _ in found[::-1][(page - 1) * SHOWN : page * SHOWN]]
    return render(
        call,
        "dead.html",
        title="Dead letters",
        destinations=known.names,
        destination=destination,
        chosen=chosen,
        narrowed=any(chosen.values()),
        wrong=wrong,
        reasons=REASONS,
        trends=trends[:GROUPS],
        further=trends[GROUPS:],
        last_day=[sum(hours) for hours in zip(*(hours for _, hours in trends), strict=True)],
        letters=list(read_letters(redis, destination, ids)),
        page=page,
        pages=pages,
        first=(page - 1) * SHOWN + 1,
        matching=len(found),
        kept=len(indexed.letters) + indexed.unread,
        unread=indexed.unread,
        address=f"/dead?{urlencode({'destination': destination, **chosen})}",
    )


def show(call: PageRequest) -> Response:
    """One dead letter. Personal data is shown only in answer to a POST."""
    destination, name = call.params["destination"], call.params["letter"]
    if destination not in call.known.names:
        raise HTTPException(404)
    letter = next(read_letters(call.dashboard.redis, destination, [name]), None)
    if letter is None:
        raise HTTPException(404)
    item = prepare_replay(letter, _chooser(call, destination, letter))
    return render(
        call,
        "letter.html",
        title="Dead letter",
        destination=destination,
        letter=letter,
        shown=call.request.method == "POST",
        not_replayable=item.why if isinstance(item, NotReplayable) else "",
        newer=item.newer if isinstance(item, Replay) else "",
    )


def confirm(call: PageRequest) -> Response:
    """Ask before anything is replayed or deleted."""
    destination, what = _destination(call), _what(call)
    ids = list(dict.fromkeys(call.form.get("id", [])))
    everything = bool(call.field("everything"))
    chosen = {name: call.field(name) for name in _FILTERS}
    chosen["since"] = _moment(call, chosen["since"])
    until = _newest(call.dashboard.redis, destination)
    count = len(_chosen(call, destination, ids, chosen, until, exactly=False)) if everything or ids else 0
    return render(
        call,
        "confirm.html",
        title=f"{_VERBS[what]} dead letters",
        verb=_VERBS[what],
        what=what,
        destination=destination,
        ids=[] if everything else ids,
        everything=everything,
        chosen=chosen,
        until=until,
        count=count,
    )


def start(call: PageRequest) -> Response:
    """Start what was confirmed, and go to the page that shows its progress."""
    dashboard, destination, what = call.dashboard, _destination(call), _what(call)
    ids = list(dict.fromkeys(call.form.get("id", [])))
    until = call.field("until")
    named = until.isascii() and until.isdigit() and len(until) < _LONGEST_NUMBER
    if not ids and not named:
        raise HTTPException(400, "Nothing was chosen; go back and choose dead letters.")
    chosen = {name: call.field(name) for name in _FILTERS}
    found = _chosen(call, destination, ids, chosen, int(until) if named else dashboard.now_ms)
    redis = dashboard.redis
    work = _replaying(call, destination, found) if what == "replay" else _dropping(redis, destination, found)
    # Somebody else may have dealt with some of them meanwhile, or the same form was sent before.
    gone = max(0, len(ids) - len(found))
    job = dashboard.jobs.start(Job(what, destination, len(found) + gone, +Counter(gone=gone)), work)
    return go_to(f"/jobs/{job.id}")


def job(call: PageRequest) -> Response:
    """The progress of a replay, a deletion, or of retries."""
    found = call.dashboard.jobs.find(call.params["job"])
    if found is None:
        raise HTTPException(404)
    return render(call, "job.html", title=_JOBS[found.what], job=found)


def _replaying(call: PageRequest, destination: str, ids: list[str]) -> Work:
    redis, send_hint, chooser = call.dashboard.redis, call.dashboard.send_hint, _chooser(call, destination)

    def work() -> Iterator[tuple[str, int, Replayed | None]]:
        seen = 0
        found = read_letters(redis, destination, ids)
        for result in replay(redis, destination, found, send_hint=send_hint, chooser=chooser):
            seen += 1
            yield result.outcome, 1, result if result.outcome == "refused" else None
        if seen < len(ids):
            yield "gone", len(ids) - seen, None

    return work


def _dropping(redis: "Redis", destination: str, ids: list[str]) -> Work:
    def work() -> Iterator[tuple[str, int, Replayed | None]]:
        dropped = 0
        for count in drop(redis, destination, ids):
            dropped += count
            yield "deleted", count, None
        if dropped < len(ids):
            yield "gone", len(ids) - dropped, None

    return work


def _chosen(  # noqa: PLR0913 - what a form says
    call: PageRequest, destination: str, ids: list[str], chosen: dict[str, str], until: int, *, exactly: bool = True
) -> list[str]:
    """Ids of the letters that a form selects, oldest first: those it names, or all that match its filters.

    Where not exactly, some may be among them that are gone.
    """
    redis = call.dashboard.redis
    if ids and not call.field("everything"):
        return in_order(redis, destination, ids)
    try:
        wanted = _filter(call, chosen)
    except ValueError as error:
        raise HTTPException(400, f"“Since”: {error}.") from None
    # Those that died since the person was asked were not meant.
    indexed = call.dashboard.letters.read(redis, destination, within_s=None if exactly else inf)
    return [name for name, _, _ in indexed.matching(wanted, until=until)]


def _newest(redis: "Redis", destination: str) -> int:
    """Unix ms by which all letters that there are had died."""
    found: Any = redis.zrange(Keys(destination).dead_at, -1, -1, withscores=True)
    return ceil(found[0][1]) if found else 0


def _with_most(redis: "Redis", names: Sequence[str]) -> str:
    """The destination that has most dead letters, or the first; "" where there is none."""
    with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.zcard(Keys(name).dead_at)
        counts = dict(zip(names, pipe.execute(), strict=True))
    return max(names, key=counts.__getitem__, default="")


def _filter(call: PageRequest, chosen: dict[str, str]) -> Filter:
    since = chosen["since"]
    now = datetime.fromtimestamp(call.dashboard.clock(), UTC)
    return Filter(
        since_ms=parse_since(since, now) if since else None,
        reason=chosen["reason"] or None,
        event=chosen["event"] or None,
        mapping=chosen["mapping"] or None,
        group=chosen["group"] or None,
    )


def _moment(call: PageRequest, since: str) -> str:
    """Turn a span such as 2h into a fixed time, so that the form that is confirmed later selects the same letters."""
    try:
        now = datetime.fromtimestamp(call.dashboard.clock(), UTC)
        return datetime.fromtimestamp(parse_since(since, now) / 1000, UTC).isoformat() if since else ""
    except ValueError as error:
        raise HTTPException(400, f"“Since”: {error}.") from None


def _chooser(call: PageRequest, destination: str, only: DeadLetter | None = None) -> Chooser:
    found = call.known.configured(destination)
    return Chooser(found.mappings if found else None, History(call.dashboard.redis, destination, only))


def _destination(call: PageRequest) -> str:
    name = call.field("destination")
    if name not in call.known.names:
        raise HTTPException(404)
    return name


def _what(call: PageRequest) -> str:
    what = call.field("what")
    if what not in _VERBS:
        raise HTTPException(400, "Choose whether to replay or to delete.")
    return what
