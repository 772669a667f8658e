"""The pages about dead letters: find, inspect, replay and delete them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Final, cast
from urllib.parse import urlencode

from redis import Redis
from starlette.exceptions import HTTPException
from starlette.responses import Response

from segue_producer.keys import Keys
from segue_worker.dashboard.context import PageRequest
from segue_worker.dashboard.jobs import Job, Work
from segue_worker.dashboard.pages import go_to, render
from segue_worker.operating.dead_letters import (
    Chooser,
    Filter,
    History,
    NotReplayable,
    Replay,
    Replayed,
    drop,
    in_order,
    matching,
    parse_since,
    prepare_replay,
    read_letters,
    replay,
)
from segue_worker.outbox.dead_letter import REASONS, DeadLetter

SHOWN: Final = 50
LOOKED_AT: Final = 2000
"""How many of the newest letters are searched, because the list is rendered every few seconds."""
_FILTERS: Final = ("reason", "since", "event", "mapping")
_VERBS: Final = {"replay": "Replay", "drop": "Delete"}
_AT_ONCE: Final = 200
_LONGEST_NUMBER: Final = 20


def letters(call: PageRequest) -> Response:
    """The newest dead letters of a destination that the filters let through."""
    redis = call.dashboard.redis
    known = call.dashboard.known()
    destination = call.query("destination") or next(iter(known.names), "")
    if destination and destination not in known.names:
        raise HTTPException(404)
    chosen = {name: call.query(name) for name in _FILTERS}
    wrong = ""
    try:
        wanted = _filter(call, chosen)
    except ValueError as error:
        wrong, wanted = f"“Since”: {error}.", Filter()
    total = redis.zcard(Keys(destination).dead_at) if destination else 0
    found = list(islice(_newest(redis, destination, wanted), SHOWN + 1)) if destination else []
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
        letters=found[:SHOWN],
        more=len(found) > SHOWN,
        total=total,
        limit=SHOWN,
        looked_at=LOOKED_AT,
        address=f"/dead?{urlencode({'destination': destination, **chosen})}",
    )


def show(call: PageRequest) -> Response:
    """One dead letter. Personal data is shown only in answer to a POST."""
    destination, name = call.params["destination"], call.params["letter"]
    if destination not in call.dashboard.known().names:
        raise HTTPException(404)
    letter = next(read_letters(call.dashboard.redis, destination, [name]), None)
    if letter is None:
        raise HTTPException(404)
    item = prepare_replay(letter, _chooser(call, destination))
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
    until = call.dashboard.now_ms
    count = sum(1 for _ in _chosen(call, destination, ids, chosen, until)) if everything or ids else 0
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
    found = list(_chosen(call, destination, ids, chosen, int(until) if named else dashboard.now_ms))
    redis = dashboard.redis
    work = _replaying(call, destination, found) if what == "replay" else _dropping(redis, destination, found)
    job = dashboard.jobs.start(Job(what, destination, len(found)), work)
    return go_to(f"/jobs/{job.id}")


def job(call: PageRequest) -> Response:
    """The progress of a replay or a deletion."""
    found = call.dashboard.jobs.find(call.params["job"])
    if found is None:
        raise HTTPException(404)
    return render(call, "job.html", title=f"{_VERBS[found.what]} dead letters", job=found)


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


def _chosen(call: PageRequest, destination: str, ids: list[str], chosen: dict[str, str], until: int) -> Iterator[str]:
    """Ids of the letters that a form selects, oldest first: those it names, or all that match its filters."""
    redis = call.dashboard.redis
    if ids and not call.field("everything"):
        return iter(in_order(redis, destination, ids))
    try:
        wanted = _filter(call, chosen)
    except ValueError as error:
        raise HTTPException(400, f"“Since”: {error}.") from None
    # Those that died since the person was asked were not meant.
    return (letter.id for letter in matching(redis, destination, wanted) if letter.at <= until)


def _newest(redis: "Redis", destination: str, wanted: Filter) -> Iterator[DeadLetter]:
    lowest = "-inf" if wanted.since_ms is None else wanted.since_ms
    found = redis.zrevrangebyscore(Keys(destination).dead_at, "+inf", lowest, start=0, num=LOOKED_AT)
    ids = [name.decode() for name in cast("list[bytes]", found)]
    for first in range(0, len(ids), _AT_ONCE):
        for letter in read_letters(redis, destination, ids[first : first + _AT_ONCE]):
            if wanted.matches(letter):
                yield letter


def _filter(call: PageRequest, chosen: dict[str, str]) -> Filter:
    since = chosen["since"]
    now = datetime.fromtimestamp(call.dashboard.clock(), UTC)
    return Filter(
        since_ms=parse_since(since, now) if since else None,
        reason=chosen["reason"] or None,
        event=chosen["event"] or None,
        mapping=chosen["mapping"] or None,
    )


def _moment(call: PageRequest, since: str) -> str:
    """Turn a span such as 2h into a fixed time, so that the form that is confirmed later selects the same letters."""
    try:
        now = datetime.fromtimestamp(call.dashboard.clock(), UTC)
        return datetime.fromtimestamp(parse_since(since, now) / 1000, UTC).isoformat() if since else ""
    except ValueError as error:
        raise HTTPException(400, f"“Since”: {error}.") from None


def _chooser(call: PageRequest, destination: str) -> Chooser:
    found = call.dashboard.known().configured(destination)
    return Chooser(found.mappings if found else None, History(call.dashboard.redis, destination))


def _destination(call: PageRequest) -> str:
    name = call.field("destination")
    if name not in call.dashboard.known().names:
        raise HTTPException(404)
    return name


def _what(call: PageRequest) -> str:
    what = call.field("what")
    if what not in _VERBS:
        raise HTTPException(400, "Choose whether to replay or to delete.")
    return what
