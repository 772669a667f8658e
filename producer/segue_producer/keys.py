"""The Redis key schema, shared by producer and worker.

Every key of a destination carries the hash tag `{destination}`, so that all of them live in one Redis Cluster slot
and one script may touch any of them. What each key holds, and for how long, is in docs/design.md#redis-keys.
"""

import hashlib
import re
from typing import Final

DESTINATIONS: Final = "segue:destinations"
"""Hash: name of each destination a worker serves → unix ms when a worker last said so."""

SWEPT: Final = "segue:swept"
"""Present for a moment after a sweep."""
SWEPT_MS: Final = 1500

WORKERS: Final = "segue:workers"
"""Sorted set: name of each worker → unix ms at which it last said that it lives."""
WORKERS_SAY_S: Final = 5
"""How often it does."""

ABOUT_WORKERS: Final = "segue:workers:about"
"""Hash: name of each worker → what it says of itself, as JSON (`segue_worker.observing.workers`)."""

HELD: Final = "segue:held"
"""Hash: name of each destination that holds something, or may → unix ms when a worker last served it, or 0. One that
nobody serves stays in it until it is empty."""

HOLDING_KEYS: Final = "segue:{*}:[abd][wue][aelu]*"
"""Pattern of the keys that a destination has as long as it holds something: `away`, `bulk`, `due` and `dead`."""

TEAMS: Final = "segue:teams"
"""Hash: digest of an API key → digest of the key whose limiter it shares, being a later key of the same team."""
TEAM_NAMES: Final = "segue:teams:names"
"""Hash: digest of an API key → digest of its team's name, where Loops was asked."""

TRACKING_TOTALS: Final = "segue:tracking-api:totals"
"""Hash: what the Tracking API did in all time. `segue_tracking_api.counters` names the fields."""
TRACKING_STATS: Final = "segue:tracking-api:stats:"
"""Prefix; the unix minute follows. The same counters, of that minute."""

DESTINATION_NAME: Final = re.compile(r"[a-z0-9_-]{1,64}")
DEFAULT_MAX_PENDING: Final = 1_000_000
STATS_KEPT_S: Final = 8 * 24 * 3600
"""How long the counters of one minute are kept, in seconds."""

RESUMED_S: Final = 600
"""For how long what a person resumed is not paused again for refused requests, in seconds."""

LOG_ENTRIES: Final = 100_000
"""Entries the log of a destination keeps, about: one for each request and each group of events that made none."""
EXPLANATIONS: Final = 10_000
"""Explanations of filtered events kept for a destination; there are about as many as mappings have conditions."""
EXPLANATIONS_KEPT_S: Final = 30 * 24 * 3600

_CONTACT_MAX = 200


class Keys:
    """The keys of one destination."""

    __slots__ = (
        "arrived",
        "asked",
        "away",
        "because",
        "bulk",
        "clock",
        "confirmed",
        "counted",
        "damaged",
        "dead",
        "dead_at",
        "due",
        "hinted",
        "known",
        "lease",
        "live",
        "log",
        "mappings",
        "measured",
        "measures",
        "moving",
        "outbox",
        "parked",
        "paused",
        "pending",
        "pending_bulk",
        "plan",
        "resumed",
        "run",
        "seen",
        "sent",
        "settings",
        "settled",
        "stats",
        "totals",
        "windows",
    )

    def __init__(self, destination: str) -> None:  # noqa: PLR0915 - one line for each key
        prefix = f"segue:{{{destination}}}:"
        self.outbox = prefix + "outbox:"
        """Prefix; the contact follows. List of event JSON in enqueue order."""
        self.damaged = prefix + "damaged:"
        """Prefix; the contact follows. What was found in place of its outbox, and is no list."""
        self.due = prefix + "due"
        """Sorted set: each live contact that waits → unix ms since which it has, which is its place. None of `away`."""
        self.bulk = prefix + "bulk"
        """The same for contacts that have only bulk events. None of `due` and `away`."""
        self.live = prefix + "live"
        """Hash: contact → how many events up to its last live one, where not all are (`segue_producer/lanes.lua`)."""
        self.away = prefix + "away"
        """Sorted set: each contact that is claimed or parked → unix ms at which it waits again."""
        self.clock = prefix + "clock"
        """The time of the last claim, heartbeat or sweep, by which a clock that was set is noticed."""
        self.confirmed = prefix + "confirmed:"
        """Prefix; the bucket follows. Hash of packed digests of the last updates confirmed (`outbox/confirmed.lua`)."""
        self.lease = prefix + "lease"
        self.run = prefix + "run"
        """Owner token of the live run; further runs of the destination live at `run:1`, `run:2`, …"""
        self.seen = prefix + "seen:"
        """Prefix; `<length in ms>:<window>:<bucket>` follows. Hash of packed 16-byte digests."""
        self.windows = prefix + "windows"
        """Hash: length of the windows in ms → number of the newest (`segue_worker/outbox/windows.lua`)."""
        self.parked = prefix + "parked"
        self.dead = prefix + "dead"
        self.dead_at = prefix + "dead:at"
        self.paused = prefix + "paused"
        self.pending = prefix + "pending"
        """Number of events in all outboxes of the destination."""
        self.pending_bulk = prefix + "pending:bulk"
        """How many of them are in bulk: behind the last live event of their contact."""
        self.moving = prefix + "moving"
        """Where everything here is being moved to, and the token of that move, as JSON; until it is finished."""
        self.arrived = prefix + "arrived:"
        """Prefix; the destination follows from which a move is under way. Hash: what has arrived → under which token."""
        self.plan = prefix + "plan:"
        """Prefix; the version of a plan follows. Which events its mappings take (`segue_worker.outbox.plan`), as JSON."""
        self.counted = prefix + "counted"
        """Present for a while after the events were counted and the number put right."""
        self.resumed = prefix + "resumed"
        """Present for `RESUMED_S` after a person ended a pause: the breaker does not begin another."""
        self.settings = prefix + "settings"
        """What others must know of the destination's configuration: `max_pending`, `rate_limit`, `replicated`; and of its API
        key: the digest of the one that was last used (`key`), and of those that Loops refused since it is paused (`refused`); and
        from which other destinations something was moved here (`moved_from`)."""
        self.settled = prefix + "settled"
        """Unix ms at which events were last settled or an attempt was recorded: the sign that events move."""
        self.hinted = prefix + "hinted"
        """Present for a moment after a hint went out, so that a burst of appends sends one."""
        self.stats = prefix + "stats:"
        """Prefix; the unix minute follows. Counters of that minute."""
        self.totals = prefix + "totals"
        """The same counters of all time."""
        self.measures = prefix + "measures"
        """Hash, of all time: what producers count (`enqueued`, `hints_failed`, `rejected:REASON`); histograms
        (`segue_worker.outbox.histogram`); and how often each mapping fired or failed, of how many events
        (`segue_worker.delivery.journal`)."""
        self.measured = prefix + "measured"
        """Hash: unix hour → unix ms and the counters of mappings at its beginning, as JSON; of the last day."""
        self.mappings = prefix + "mappings:"
        """Prefix; the version of a configuration follows. The mappings that workers with it run, as JSON
        (`segue_worker.mapping.definition`)."""
        self.log = prefix + "log"
        """Stream: what became of events, newest last, about `LOG_ENTRIES` entries (`segue_worker.outbox.log_record`). It
        holds messageIds and digests of the events' ids, and nothing else of a person."""
        self.because = prefix + "because"
        """Hash: digest → why events were filtered, as JSON; the log names the digest."""
        self.sent = prefix + "sent"
        """Which properties, lists and events were sent, with types and no values, as JSON (`segue_worker.schema.sent`)."""
        self.known = prefix + "known"
        """Which of them Loops knows, as JSON (`segue_worker.schema.known`)."""
        self.asked = prefix + "asked"
        """Present for as long as no worker is to ask Loops for that by itself."""

    def run_number(self, number: int) -> str:
        """Key of the destination's run number `number`, counted from 0."""
        return f"{self.run}:{number}" if number else self.run


def name_in(key: bytes) -> bytes:
    """The destination that a key belongs to."""
    return key[key.index(b"{") + 1 : key.index(b"}")]


def key_digest(api_key: str) -> str:
    """The 32 hexadecimal digits by which Redis knows an API key."""
    return hashlib.blake2b(api_key.encode(), digest_size=16).hexdigest()


def team_rate_key(team: str) -> str:
    """Key of the pacing state of a Loops team, known by the digest of the first of its API keys."""
    return "segue:rate:" + team


def rate_key(api_key: str) -> str:
    """Key of the pacing state of a team that has had only this API key."""
    return team_rate_key(key_digest(api_key))


def contact_digest(contact: bytes) -> str:
    """The 16 hexadecimal digits by which the log knows a contact, given as it stands in keys."""
    return hashlib.blake2b(contact, digest_size=8).hexdigest()


def contact_name(identity: str) -> str:
    """The contact as it stands in keys: the identity itself, or a digest of one that is too long for a key."""
    if len(identity) <= _CONTACT_MAX:
        return identity
    return "blake2b:" + hashlib.blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def contact_names(identity: str) -> tuple[str, ...]:
    """The contacts in whose outboxes events of an identity may be, however somebody spells it: emails have no case."""
    email = identity.strip()
    return tuple(dict.fromkeys(map(contact_name, (identity, email.lower(), email.casefold()))))
