"""One API request, independent of sockets and ASGI."""

import json
from math import isfinite
from typing import Any, NamedTuple
from urllib.parse import parse_qs


class NotJson:
    """What `ApiRequest.json` gives for a body that is not JSON."""


NOT_JSON = NotJson()


class ApiRequest(NamedTuple):
    """A request below `/api/v1`.

    Attributes:
        path: what follows the base URL, such as `/contacts/update`, decoded.
        headers: names in lower case.
        body: at most one byte more than the size limit, by which a longer one is noticed.
        arrival: when it reached the sandbox, unix seconds.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    arrival: float

    @property
    def json(self) -> Any:
        """The body's JSON value, or `NOT_JSON`. Read anew each time: the ledger keeps bytes, which cost little."""
        try:
            return _decoder.decode(self.body.decode())
        except (ValueError, RecursionError):
            return NOT_JSON

    @property
    def parameters(self) -> dict[str, str]:
        """Query parameters that are not empty; the last of equal names."""
        return {name: values[-1] for name, values in parse_qs(self.query).items()}

    @property
    def idempotency_key(self) -> str | None:
        """The Idempotency-Key header; an empty one counts as absent."""
        return self.headers.get("idempotency-key") or None


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(text)
    return number


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


# One decoder for all: json.loads would build a new one per call for these hooks.
_decoder = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse_constant)
