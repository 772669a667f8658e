"""The paths of the API, and the functions that serve them."""

from collections.abc import Callable
from typing import NamedTuple

from segue_sandbox.answers import HttpAnswer
from segue_sandbox.endpoints import contacts, events, reading
from segue_sandbox.endpoints.call import ApiCall

Handler = Callable[[ApiCall], HttpAnswer]
EVENTS_SEND = "/events/send"
CONTACTS_UPDATE = "/contacts/update"

_FIXED: dict[str, dict[str, Handler]] = {
    "/api-key": {"GET": reading.api_key},
    "/contacts/create": {"POST": contacts.create},
    CONTACTS_UPDATE: {"PUT": contacts.update, "POST": contacts.update},
    "/contacts/find": {"GET": contacts.find},
    "/contacts/delete": {"POST": contacts.delete},
    "/contacts/properties": {"GET": reading.properties, "POST": reading.create_property},
    "/contacts/suppression": {"GET": contacts.suppression, "DELETE": contacts.remove_suppression},
    "/lists": {"GET": reading.lists},
    "/dedicated-sending-ips": {"GET": reading.dedicated_sending_ips},
    EVENTS_SEND: {"POST": events.send},
    "/event-patterns": {"GET": reading.event_patterns},
}
# Longest first: the name may be anything, also something with a slash in it.
_PREFIXED: tuple[tuple[str, dict[str, Handler]], ...] = (
    ("/event-patterns/by-name/", {"GET": reading.event_pattern_by_name}),
    ("/event-patterns/", {"GET": reading.event_pattern_by_id}),
)


class ApiRoute(NamedTuple):
    """A known path: its handlers by method, and what follows a path with a parameter."""

    path: str
    handlers: dict[str, Handler]
    argument: str = ""


def find_route(path: str) -> ApiRoute | None:
    """The route of a path below the base URL; None makes a 404 page."""
    handlers = _FIXED.get(path)
    if handlers is not None:
        return ApiRoute(path, handlers)
    for prefix, prefixed in _PREFIXED:
        if path.startswith(prefix) and path != prefix:
            return ApiRoute(prefix, prefixed, path.removeprefix(prefix))
    return None
