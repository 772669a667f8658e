"""A client for the `/_sandbox` endpoints, for tests, the demo and benchmarks."""

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from segue_producer.errors import SegueError
from segue_sandbox.address import CONTROL_PREFIX
from segue_sandbox.ledger import RequestRecord
from segue_sandbox.views import EventRecord, Summary

_TIMEOUT_S = 60.0


class SandboxControlError(SegueError):
    """The sandbox refused a `/_sandbox` request; the message is its own."""


class SandboxClient:
    """Controls a running sandbox.

    Args:
        base_url: of its API, as `http://127.0.0.1:PORT/api/v1`; what follows the port does not matter.

    Every method raises `SandboxControlError` if the sandbox refuses, `httpx.HTTPError` if it cannot be reached.
    """

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self.base_url = base_url
        self._http = httpx.Client(
            base_url=f"{parts.scheme}://{parts.netloc}{CONTROL_PREFIX}", timeout=_TIMEOUT_S, trust_env=False
        )

    def requests(
        self, *, since: int = 0, limit: int | None = None, team: str | None = None, schema: bool = False
    ) -> list[RequestRecord]:
        """The ledger in order of arrival: requests numbered above `since`, at most `limit`.

        Without those by which workers ask what the team has, in between and at no certain time, unless `schema` is set.
        """
        answer: list[RequestRecord] = self._get("requests", since=since, limit=limit, team=team)
        return answer if schema else [each for each in answer if not _asks_for_schema(each)]

    def contacts(self, *, team: str | None = None) -> list[dict[str, Any]]:
        """Every contact, as contacts/find shows it, with `team` and `leftLists`."""
        answer: list[dict[str, Any]] = self._get("contacts", team=team)
        return answer

    def events(self, *, team: str | None = None) -> list[EventRecord]:
        """Accepted events in order of arrival."""
        answer: list[EventRecord] = self._get("events", team=team)
        return answer

    def summary(self, *, team: str | None = None) -> Summary:
        """The ledger in numbers."""
        answer: Summary = self._get("summary", team=team)
        return answer

    def faults(self, faults: Iterable[Mapping[str, Any]]) -> None:
        """Put these faults (fields of `faults.InjectedFault`) in place of all others; `[]` ends every injected fault."""
        self._post("faults", list(faults))

    def add_fault(self, **fault: Any) -> None:
        """Add one fault, by the fields of `faults.InjectedFault`."""
        self._post("faults", fault)

    def fired(self) -> list[dict[str, Any]]:
        """The faults in force, each with how often it `matched` and `fired`."""
        answer: list[dict[str, Any]] = self._get("faults")
        return answer

    def switches(self, **changes: Any) -> dict[str, Any]:
        """Change switches, if any are named; gives all of them back."""
        answer: dict[str, Any] = self._post("switches", changes)
        return answer

    def lists(self, lists: Iterable[Mapping[str, Any]]) -> None:
        """Define mailing lists: `id`, `name`, and optionally `description`, `isPublic`."""
        self._post("lists", list(lists))

    def leave_list(
        self, list_id: str, *, email: str | None = None, user_id: str | None = None, team: str | None = None
    ) -> None:
        """Let a contact leave a list in the Preference Center."""
        self._post("leave-list", {"list": list_id, "email": email, "userId": user_id, "team": team})

    def suppress(self, *, email: str | None = None, user_id: str | None = None, team: str | None = None) -> None:
        """Put a contact on the suppression list."""
        self._post("suppress", {"email": email, "userId": user_id, "team": team})

    def move_clock(self, seconds: float) -> None:
        """Let time pass for idempotency keys."""
        self._post("clock", {"seconds": seconds})

    def revoke(self, api_key: str) -> None:
        """Refuse an API key from now on."""
        self._post("revoke", {"api_key": api_key})

    def restore(self, api_key: str) -> None:
        """Take a revocation back."""
        self._post("restore", {"api_key": api_key})

    def reset(self) -> None:
        """Back to how the sandbox was started."""
        self._post("reset", {})

    def close(self) -> None:
        """Close the client's connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _get(self, path: str, **parameters: Any) -> Any:
        given = {name: value for name, value in parameters.items() if value is not None}
        return _checked(self._http.get(path, params=given))

    def _post(self, path: str, body: object) -> Any:
        return _checked(self._http.post(path, json=body))


def _asks_for_schema(record: RequestRecord) -> bool:
    return record["method"] == "GET" and record["path"].startswith(
        ("/contacts/properties", "/lists", "/event-patterns")
    )


def _checked(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise SandboxControlError(f"{answer.request.url.path}: {answer.status_code} {answer.text}")
    return answer.json()
