"""The books held against the ledger: counters and log on Segue's side, what Loops received on the other.

What is recorded is exact: a settlement records in one step, so counters and log agree with each other whatever was
killed. For a contact that was never interrupted they also agree with the ledger, answer by answer. Of an interrupted
delivery the last request may have been sent without being recorded: then the ledger has that much more, and no client
can know how much. All of it rests on a Redis that keeps what it has acknowledged, as one that is killed does.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis import Redis

from segue_producer.keys import Keys, contact_digest
from segue_sandbox.ledger import RequestRecord
from segue_worker.delivery.attempts import QUICK_ATTEMPTS
from segue_worker.outbox.log_record import FIELD, EventOutcome, Record
from tests.integration.stack import KEYS, Stack

TOO_MANY = 429
ENDINGS: tuple[EventOutcome, ...] = ("delivered", "filtered", "duplicate", "dead")


@dataclass(slots=True)
class Account:
    """One contact.

    Attributes:
        received: statuses of its requests in the ledger, in order; 0 where the connection was dropped.
        repeats: how many of those were the same as an earlier one.
        recorded: statuses of its attempts in the log, in order; 0 where there was no answer.
        retries: how many of those repeated an earlier one.
        interrupted: how many of its deliveries were interrupted, as the log says.
    """

    received: list[int] = field(default_factory=list)
    repeats: int = 0
    recorded: list[int] = field(default_factory=list)
    retries: int = 0
    interrupted: int = 0

    @property
    def unrecorded(self) -> int:
        """How many requests were received and not recorded."""
        return len(self.received) - len(self.recorded)

    def problem(self) -> str:
        """What does not agree, or ""."""
        if not self.interrupted:
            agrees = (self.received, self.repeats) == (self.recorded, self.retries)
        else:
            agrees = (
                _is_part(self.recorded, self.received)
                and self.unrecorded <= QUICK_ATTEMPTS * self.interrupted
                and 0 <= self.repeats - self.retries <= self.unrecorded
            )
        return "" if agrees else str(self)


def read_accounts(ledger: Iterable[RequestRecord], log: Iterable[Record]) -> dict[str, Account]:
    """The account of each contact, by its digest. Probes of the API key are nobody's. Pure."""
    accounts: defaultdict[str, Account] = defaultdict(Account)
    seen: set[tuple[str, str]] = set()
    for request in ledger:
        if request["method"] == "GET":
            continue
        digest = contact_digest(request["body"]["userId"].encode())
        account = accounts[digest]
        account.received.append(request["status"] or 0)
        same = (digest, str((request["path"], request["idempotency_key"], request["body"])))
        account.repeats += same in seen
        seen.add(same)
    for record in log:
        account = accounts[record.contact]
        account.interrupted += record.interrupted
        if record.request is not None:
            attempts = record.request.attempts
            account.recorded += [attempt.status for attempt in attempts]
            first = record.request.sent - len(attempts) + 1
            account.retries += sum(number > 1 for number in range(first, first + len(attempts)))
    return accounts


def read_log(redis: "Redis", destination: str) -> list[Record]:
    """The whole log of a destination, oldest first."""
    entries: Any = redis.xrange(Keys(destination).log)
    return [Record.from_json(fields[FIELD]) for _, fields in entries]


def judge_books(stack: Stack, effects: set[str]) -> tuple[list[str], dict[str, Any]]:
    """Hold the counters and the log of a stack against its ledger, once nothing is pending.

    Args:
        stack: as it stands at the end.
        effects: messageIds whose effect the ledger shows.

    Returns:
        what does not agree, and figures.
    """
    log = read_log(stack.redis, "loops")
    accounts = read_accounts(stack.sandbox.requests(), log)
    counters: Counter[str] = Counter(stack.counters)
    enqueued = int(stack.redis.hget(KEYS.measures, "enqueued") or 0)
    problems = [f"contact {name}: {found}" for name, account in accounts.items() if (found := account.problem())]
    problems += _unequal(log, accounts.values(), counters, enqueued, effects)
    figures = {
        "interrupted_contacts": sum(account.interrupted > 0 for account in accounts.values()),
        "received_unrecorded": sum(account.unrecorded for account in accounts.values()),
    }
    return problems, figures


def _unequal(
    log: Sequence[Record],
    accounts: Iterable[Account],
    counters: Mapping[str, int],
    enqueued: int,
    effects: set[str],
) -> Iterator[str]:
    """The equations over all contacts that do not hold."""
    accounts = tuple(accounts)
    recorded = [status for account in accounts for status in account.recorded]
    ended = Counter(part.outcome for record in log for part in record.events)
    delivered = {part.message_id for record in log for part in record.events if part.outcome == "delivered"}
    letters = {fault.letter for record in log for part in record.events for fault in part.faults}
    letters |= {record.request.letter for record in log if record.request is not None} - {""}
    received = sum(len(account.received) for account in accounts)
    unrecorded = sum(account.unrecorded for account in accounts if account.interrupted)
    equations: dict[str, tuple[object, object]] = {
        "delivered, ledger": (counters["delivered"], len(effects)),
        "delivered, log": (counters["delivered"], ended["delivered"]),
        "messageIds delivered, and with an effect": (sorted(delivered - effects), sorted(effects - delivered)),
        "filtered, log": (counters["filtered"], ended["filtered"]),
        "duplicates, log": (counters["duplicates"], ended["duplicate"]),
        "dead, log": (counters["dead"], len(letters)),
        "enqueued, ended": (enqueued, sum(ended[each] for each in ENDINGS)),
        # A duplicate is one because another of its messageId ended otherwise, and only one did.
        "messageIds that ended but as a duplicate, not once": (0, not_once(log)),
        "requests, log": (counters["requests"], len(recorded)),
        "requests, ledger": (counters["requests"], received - unrecorded),
        "rate limited, log": (counters["rate_limited"], recorded.count(TOO_MANY)),
        "retries, log": (counters["retries"], sum(account.retries for account in accounts)),
        "interrupted, log": (counters["interrupted"], sum(account.interrupted for account in accounts)),
    }
    for name, (one, other) in equations.items():
        if one != other:
            yield f"{name}: {one} and {other}"


def not_once(log: Iterable[Record]) -> int:
    """How many messageIds ended not at all but as a duplicate, which is a loss, or more than once. Pure."""
    endings: defaultdict[str, list[EventOutcome]] = defaultdict(list)
    for record in log:
        for part in record.events:
            if part.outcome in ENDINGS:
                endings[part.message_id].append(part.outcome)
    return sum(1 for found in endings.values() if len(found) - found.count("duplicate") != 1)


def _is_part(some: Iterable[int], whole: Iterable[int]) -> bool:
    """Whether `some` is what is left of `whole` when some of it is left out."""
    rest = iter(whole)
    return all(each in rest for each in some)
