"""The configuration as the rest of Segue uses it: plain, typed, unchangeable values."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from segue_worker.mapping import CompiledMapping

Coalesce = Literal["off", "updates", "updates_into_events"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryLimits:
    """How long a request is retried.

    Attributes:
        max_age: from its first attempt; after that it becomes a dead letter.
    """

    max_age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterLimits:
    """What is kept of the dead letters.

    Attributes:
        keep: how long each is kept.
        max: how many are kept; beyond, the oldest go.
    """

    keep: timedelta
    max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One Loops team.

    Attributes:
        name: lower case letters, digits, - and _.
        api_key: the team's key; never part of a message or a repr.
        base_url: http or https, without a slash at its end.
        enabled: whether anything is sent.
        rate_limit: requests in any one second, for the whole team.
        coalesce: what is merged into one request.
        retry: how long requests are retried.
        dedupe_window: for how long a messageId that comes again has no effect.
        max_pending: events that may wait.
        parallel_runs: runs at once.
        timeout: for one request.
        dead_letter: what is kept of the dead letters.
        mappings: at most 50, in the file's order, the ones that are not enabled included.
    """

    name: str
    api_key: SecretStr
    base_url: str
    enabled: bool
    rate_limit: int
    coalesce: Coalesce
    retry: RetryLimits
    dedupe_window: timedelta
    max_pending: int
    parallel_runs: int
    timeout: timedelta
    dead_letter: DeadLetterLimits
    mappings: tuple[CompiledMapping, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A write key of the Tracking API, and the names of the destinations its events go to."""

    write_key: SecretStr
    destinations: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A configuration without problems.

    Attributes:
        path: the file it was read from.
        destinations: at least one, in the file's order; their names are unique.
        sources: those whose write key is there; it is unique.
        warnings: what is allowed and rarely meant, each `file:line: path: reason`.
    """

    path: Path
    destinations: tuple[Destination, ...]
    sources: tuple[Source, ...]
    warnings: tuple[str, ...]

    def destination(self, name: str) -> Destination:
        """The destination of this name.

        Raises:
            KeyError: there is none.
        """
        for destination in self.destinations:
            if destination.name == name:
                return destination
        raise KeyError(name)
