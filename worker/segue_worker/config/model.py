"""The configuration in the form that the rest of Segue uses: plain, typed values that never change."""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from segue_producer.lanes import Lane
from segue_worker.mapping import CompiledMapping
from segue_worker.mapping.values import Values

Coalesce = Literal["off", "updates", "updates_into_events"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryLimits:
    """How long a request is retried.

    Attributes:
        max_age: time from its first attempt after which it becomes a dead letter.
    """

    max_age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterLimits:
    """How many dead letters are kept, and for how long.

    Attributes:
        keep: how long each one is kept.
        max: how many are kept; when there are more, the oldest are deleted.
    """

    keep: timedelta
    max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One Loops team that Segue delivers to.

    Attributes:
        name: 1 to 64 lower case letters, digits, - and _.
        api_key: the team's API key. It is never part of a message or a repr.
        base_url: address of the Loops API, without a slash at its end.
        enabled: whether anything is sent; if not, events are kept.
        rate_limit: requests in any one second, for the whole team.
        coalesce: which neighbouring requests of a contact are merged into one.
        values: what is done about values that Loops refuses.
        retry: how long requests are retried.
        dedupe_window: for how long a messageId that comes again has no effect.
        skip_unchanged: for how long a contact update that Loops confirmed is not sent again unless something changed.
        max_pending: how many events may wait before further ones are refused.
        replicated: whether an event counts as enqueued only once a replica of Redis has it.
        parallel_runs: how many runs there may be at once.
        timeout: how long one request may take.
        dead_letter: how many dead letters are kept, and for how long.
        mappings: at most 50, in the order of the file, including those that are not enabled.
    """

    name: str
    api_key: SecretStr
    base_url: str
    enabled: bool
    rate_limit: int
    coalesce: Coalesce
    values: Values
    retry: RetryLimits
    dedupe_window: timedelta
    max_pending: int
    replicated: bool = False
    parallel_runs: int
    timeout: timedelta
    dead_letter: DeadLetterLimits
    mappings: tuple[CompiledMapping, ...]
    skip_unchanged: timedelta = timedelta()

    @property
    def access(self) -> str:
        """16 hexadecimal digits that say whether two destinations have the same key at the same address."""
        text = f"{self.base_url}\0{self.api_key.get_secret_value()}"
        return blake2b(text.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A write key of the Tracking API, and the names of the destinations that its events go to.

    Attributes:
        write_key: what clients send.
        destinations: names.
        lane: in which they wait.
        public: whether everybody can read the key.
    """

    write_key: SecretStr
    destinations: tuple[str, ...]
    lane: Lane = "live"
    public: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A configuration that has no problems.

    Attributes:
        path: the file it was read from.
        destinations: at least one, in the order of the file, with unique names.
        sources: those whose write key is known, which is unique.
        warnings: what is allowed but probably not meant, each as `file:line: path: reason`.
        version: 12 hexadecimal digits, the same for the same destinations, API keys included.
    """

    path: Path
    destinations: tuple[Destination, ...]
    sources: tuple[Source, ...]
    warnings: tuple[str, ...]
    version: str = ""

    def destination(self, name: str) -> Destination:
        """Return the destination of this name.

        Raises:
            KeyError: there is no such destination.
        """
        for destination in self.destinations:
            if destination.name == name:
                return destination
        raise KeyError(name)
