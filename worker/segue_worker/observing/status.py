"""The state of each destination now, and its counters of all time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from redis import Redis

from segue_producer.keys import Keys
from segue_producer.lanes import LANE_NAMES, Lane
from segue_producer.lua import CLOCK, LANES, read_script
from segue_worker.outbox.counters import COUNTERS
from segue_worker.outbox.pause import Pause

WAITS_SINCE: Final = "segue_worker/observing/waits_since"
"""Lua that defines `waits_since`, to be put before a script."""
STATUS_SCRIPT: Final = read_script("segue_worker/observing/status", CLOCK, LANES, WAITS_SINCE)
PARKED_LOOKED_AT: Final = 1000
"""Parked contacts looked at for the oldest, about: a parked value holds a whole request, and a status is read each
second. With more of them `oldest_pending_s` is a lower bound."""

COUNTED_AS: Final = {
    name: "dead_total" if name == "dead" else name for name, meaning in COUNTERS.items() if meaning.by != "producer"
}
"""Counter → its name in `segue status --json`, where `dead` says how many dead letters are kept now."""


class LaneStatus(NamedTuple):
    """One lane of a destination.

    Attributes:
        pending: events in outboxes: in bulk those that wait behind the last live event of their contact.
        due: contacts that may be claimed now.
        oldest_pending_s: for how long the contact that waits longest has waited, claimed and parked ones included; 0
            where none waits.
        idle_s: for how long one could have been delivered to, claimed ones included; 0 where there is none. One that was
            parked counts from the time of its next attempt.
    """

    pending: int
    due: int
    oldest_pending_s: float
    idle_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Status:
    """One destination.

    Attributes:
        lanes: what waits in each lane.
        in_flight: contacts claimed by a run.
        parked: contacts that wait for a later attempt.
        dead: dead letters kept.
        paused: the pause in force, or None.
        settled_s_ago: seconds since events were last settled or an attempt was recorded; None if never.
        counters: name → count over all time.
    """

    lanes: Mapping[Lane, LaneStatus]
    in_flight: int
    parked: int
    dead: int
    paused: Pause | None
    settled_s_ago: float | None
    counters: Mapping[str, int]

    @property
    def pending(self) -> int:
        """Events in outboxes."""
        return sum(lane.pending for lane in self.lanes.values())

    @property
    def due(self) -> int:
        """Contacts that may be claimed now."""
        return sum(lane.due for lane in self.lanes.values())

    @property
    def oldest_pending_s(self) -> float:
        """For how long the contact that waits longest has waited, in any lane."""
        return max(lane.oldest_pending_s for lane in self.lanes.values())

    @property
    def idle_s(self) -> float:
        """The same as `LaneStatus.idle_s`, in any lane."""
        return max(lane.idle_s for lane in self.lanes.values())

    @property
    def stalled_s(self) -> float:
        """For how long events could have been delivered, and nothing was settled; 0 while paused.

        This is what progress means everywhere: to `segue health`, the metrics, the alerts and the dashboard. Events that
        wait because of the rate limit are no lack of it: the longest waiting contact is claimed first, so its turn comes
        as long as anything is settled. Parked contacts are none either: they wait for their next attempt.
        """
        if self.paused is not None:
            return 0.0
        return self.idle_s if self.settled_s_ago is None else min(self.idle_s, self.settled_s_ago)

    def drain_s(self, rate_limit: int | None) -> dict[Lane, float | None]:
        """Seconds until each lane is empty at the limit if nothing else comes; merging makes it shorter.

        None where nothing is sent, or nobody has announced a limit. Bulk goes behind what is live.
        """
        if not rate_limit or self.paused:
            return dict.fromkeys(LANE_NAMES)
        live, bulk = (self.lanes[lane].pending for lane in LANE_NAMES)
        return {"live": live / rate_limit, "bulk": (live + bulk) / rate_limit if bulk else 0.0}

    def to_dict(self) -> dict[str, Any]:
        """The form of `segue status --json`. Other programs read it, so the names must stay as they are.

        `dead` counts the dead letters that are kept, `dead_total` all that there ever were.
        """
        return {
            "pending": self.pending,
            "due": self.due,
            "in_flight": self.in_flight,
            "parked": self.parked,
            "dead": self.dead,
            "paused": None if self.paused is None else _pause_details(self.paused),
            "oldest_pending_s": self.oldest_pending_s,
            "stalled_s": self.stalled_s,
            "lanes": {name: lane._asdict() for name, lane in self.lanes.items()},
            **{name: self.counters.get(counter, 0) for counter, name in COUNTED_AS.items()},
        }


def arguments(destination: str, *, now_ms: int = 0) -> tuple[list[str], list[int]]:
    """KEYS and ARGV of status.lua; `now_ms` 0 stands for the server's clock."""
    keys = Keys(destination)
    names = [
        keys.pending,
        keys.due,
        keys.lease,
        keys.parked,
        keys.dead,
        keys.paused,
        keys.totals,
        keys.away,
        keys.settled,
        keys.bulk,
        keys.live,
        keys.pending_bulk,
    ]
    return names, [now_ms, PARKED_LOOKED_AT]


def read_answer(answer: Sequence[Any]) -> Status:
    """Read the answer of status.lua."""
    in_flight, parked, dead, settled_ms, paused, totals, *lanes = answer
    names, counts = totals[::2], totals[1::2]
    return Status(
        lanes={
            lane: LaneStatus(pending, due, waited_ms / 1000, idle_ms / 1000)
            for lane, (pending, due, waited_ms, idle_ms) in zip(LANE_NAMES, lanes, strict=True)
        },
        in_flight=in_flight,
        parked=parked,
        dead=dead,
        paused=Pause.from_json(paused) if paused else None,
        settled_s_ago=None if settled_ms < 0 else settled_ms / 1000,
        counters={name.decode(): int(count) for name, count in zip(names, counts, strict=True)},
    )


def read_statuses(redis: "Redis", destinations: Sequence[str], *, now_ms: int = 0) -> dict[str, Status]:
    """The status of each destination, in one round trip; each is consistent in itself.

    Args:
        redis: client that answers bytes.
        destinations: names.
        now_ms: unix ms, or 0 for the server's clock.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    script = redis.register_script(STATUS_SCRIPT)
    with redis.pipeline(transaction=False) as pipe:
        for name in destinations:
            keys, args = arguments(name, now_ms=now_ms)
            script(keys=keys, args=args, client=pipe)
        answers = pipe.execute()
    return {name: read_answer(answer) for name, answer in zip(destinations, answers, strict=True)}


def utc_text(ms: int) -> str:
    """Unix ms as ISO 8601, in UTC, to the second."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_text_ms(ms: int) -> str:
    """Unix ms as ISO 8601, in UTC, to the millisecond."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _pause_details(pause: Pause) -> dict[str, Any]:
    return {
        "kind": str(pause.kind),
        "reason": pause.reason,
        "since": utc_text(pause.since),
        "next_probe": None if pause.next_probe is None else utc_text(pause.next_probe),
        "until": None if pause.until is None else utc_text(pause.until),
    }
