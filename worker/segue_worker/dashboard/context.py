"""What every page of the dashboard is given: the dashboard's parts and the request."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from redis import Redis
from starlette.requests import Request

from segue_worker.config import ConfigCache, Inspection
from segue_worker.dashboard.jobs import Jobs
from segue_worker.dashboard.sessions import Session, Sessions
from segue_worker.dashboard.throttle import Throttle
from segue_worker.observing.destinations import KnownDestinations, known_destinations
from segue_worker.observing.summary import Overall, read_overall
from segue_worker.operating.dead_letters import LetterIndex


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard.

    Attributes:
        redis: client that answers bytes.
        config: path of the configuration; it is read again when it has changed.
        sessions: who is signed in.
        send_hint: is called with the name of a destination that has new work.
        throttle: slows down failed attempts to sign in.
        jobs: replays and deletions under way.
        public_origin: under which people know it, as `https://segue.example.com`; "" where nobody has said.
        clock: unix seconds.
        inspect: reads the configuration.
        letters: what is known of dead letters.
    """

    redis: "Redis"
    config: Path
    sessions: Sessions
    send_hint: Callable[[str], object]
    throttle: Throttle = field(default_factory=Throttle)
    jobs: Jobs = field(default_factory=Jobs)
    clock: Callable[[], float] = time.time
    public_origin: str = ""
    inspect: Callable[[Path], Inspection] = field(default_factory=ConfigCache)
    letters: LetterIndex = field(default_factory=LetterIndex)

    @property
    def now_ms(self) -> int:
        """Unix ms."""
        return int(self.clock() * 1000)


@dataclass(frozen=True)
class PageRequest:
    """A request for a page.

    Attributes:
        dashboard: the dashboard it is a page of.
        request: as Starlette hands it over.
        session: the browser's; a new one where it had none.
        form: the fields of a POST: name → values.
    """

    dashboard: Dashboard
    request: Request
    session: Session
    form: dict[str, list[str]] = field(default_factory=dict)

    def field(self, name: str) -> str:
        """A field of the form, or ""."""
        return self.form.get(name, [""])[0].strip()

    def query(self, name: str) -> str:
        """A parameter of the address, or ""."""
        return self.request.query_params.get(name, "").strip()

    @cached_property
    def known(self) -> KnownDestinations:
        """The destinations that the configuration or Redis names; looked up once for a page."""
        return known_destinations(self.dashboard.redis, self.dashboard.config, self.dashboard.inspect)

    @cached_property
    def overall(self) -> Overall:
        """All destinations and workers as they are now; looked up once for a page."""
        return read_overall(self.dashboard.redis, self.known)

    @property
    def encrypted(self) -> bool:
        """Whether the browser speaks HTTPS, to this server or to a proxy in front of it."""
        return self.request.url.scheme == "https" or self.dashboard.public_origin.startswith("https:")

    @property
    def params(self) -> dict[str, Any]:
        """The parts of the path that vary."""
        return self.request.path_params
