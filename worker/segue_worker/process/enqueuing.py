"""What the task `segue.enqueue` does with the events it is given: none of them is lost, and none spoils its neighbours."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from segue_producer import InvalidEvent
from segue_producer.events import Prepared, prepare
from segue_producer.keys import DESTINATION_NAME
from segue_producer.lanes import LANE_NAMES
from segue_producer.refusals import Refused, given_id, id_of

_NAMES: Final = "destinations must be names, as in ['loops']"
_ARGUMENTS: Final = ("events", "destinations", "lane")


class Arguments(NamedTuple):
    """What a task was given.

    Attributes:
        events: as they were given; with everything else that may be one, where something else was given.
        destinations: as they were given.
        lane: a lane's name, or something else, of which `besides` tells.
        besides: what was given that the task does not take, for people; or "".
    """

    events: Any
    destinations: Any
    lane: Any
    besides: str


def well_formed(args: Any, kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a message as a list and a mapping, whatever its sender wrote for them; nothing of it is left out.

    PHP has one empty value for lists and objects; some clients write null.
    """
    named = dict(kwargs) if isinstance(kwargs, Mapping) else {"kwargs": kwargs} if kwargs else {}
    if isinstance(args, Mapping) and "events" in args and not args.keys() & named.keys():
        return [], {**named, **args}
    return list(args) if isinstance(args, list | tuple) else [args] if args else [], named


def read_arguments(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
    """Tell events, destinations and lane from whatever a task was given, by position and by name. Pure."""
    given: dict[str, Any] = dict(zip(_ARGUMENTS, args, strict=False))
    twice = [name for name in given if name in kwargs]
    unknown = [*args[len(_ARGUMENTS) :], *(kwargs[name] for name in kwargs if name in twice or name not in _ARGUMENTS)]
    given = {**kwargs, **given}
    events, destinations, lane = (
        given.get("events", ()),
        given.get("destinations", ("loops",)),
        given.get("lane", "live"),
    )
    besides = ""
    if twice:
        besides = f"{' and '.join(twice)}: given both by position and by name"
    elif unknown:
        besides = f"the task takes events, destinations and lane; unknown arguments: {len(unknown)}"
    elif lane not in LANE_NAMES:
        besides = "lane must be 'live' or 'bulk'"
    # Whatever it was meant as: an event in it must not be lost.
    strays = [item for each in (*unknown, destinations, lane) for item in _listed(each) if isinstance(item, Mapping)]
    if strays:
        events, besides = (
            [*_listed(events), *strays],
            besides or "an object stands where destinations or the lane belong",
        )
    return Arguments(events, destinations, lane, besides)


def _listed(events: Any) -> list[Any]:
    return list(events) if isinstance(events, list | tuple) else [events]


@dataclass(slots=True)
class Sorted:
    """The events of a task.

    Attributes:
        destinations: names that somebody serves.
        good: events that can be enqueued, each with what was given, which has its messageId by now.
        refused: destination → events that never can be; "" stands for a destination that the task does not name.
    """

    destinations: tuple[str, ...]
    good: list[tuple[Prepared, dict[str, Any]]] = field(default_factory=list)
    refused: dict[str, list[Refused]] = field(default_factory=dict)

    def owed(self, message_ids: Collection[str]) -> list[tuple[Prepared, dict[str, Any]]]:
        """Of `good`, the events with these messageIds."""
        wanted = set(message_ids)
        return [each for each in self.good if each[0].message_id in wanted]


def sort(task_id: str, events: Any, destinations: Any, served: Collection[str], *, besides: str = "") -> Sorted:
    """Tell what can be enqueued from what cannot. Pure.

    Args:
        task_id: from which events without a messageId get theirs, so that a task that arrives twice has its effect once.
        events: what the task was given as events; a single one may stand by itself.
        destinations: what it was given as destinations; a single name may stand by itself.
        served: names of all destinations that any worker serves.
        besides: what else it was given that it does not know; then nothing of it is enqueued.
    """
    listed = _listed(events)
    names = [destinations] if isinstance(destinations, str) else destinations
    if not isinstance(names, list | tuple) or not names:
        names, besides = [], besides or _NAMES
    known = [name for name in names if isinstance(name, str) and name in served]
    unknown = [name for name in names if name not in known]
    outcome = Sorted(tuple(dict.fromkeys(known)))
    for place, given in enumerate(listed):
        event = given
        if isinstance(given, Mapping) and not given.get("messageId"):
            event = {**given, "messageId": f"{task_id}-{place}"}
        wrong, word, message_id = besides, "arguments", _message_id(event, f"{task_id}-{place}")
        if not wrong:
            try:
                outcome.good.append((prepare(event), dict(event)))
            except InvalidEvent as error:
                wrong, word = str(error), error.reason
        for name in (known or [""]) if wrong else ():
            outcome.refused.setdefault(name, []).append(Refused(message_id, event, wrong, word))
        if unknown:
            outcome.refused.setdefault("", []).append(
                Refused(message_id, event, _not_served(unknown, served), "destination", "misaddressed")
            )
    return outcome


def _message_id(event: Any, made: str) -> str:
    return (given_id(event) or id_of(event)) if isinstance(event, Mapping) else made


def _not_served(names: Sequence[Any], served: Collection[str]) -> str:
    shown = ", ".join(
        repr(name)
        if isinstance(name, str) and DESTINATION_NAME.fullmatch(name)
        else f"one of type {type(name).__name__}"
        for name in names
    )
    return f"no worker serves the destination {shown}; known are {', '.join(sorted(served))}"
