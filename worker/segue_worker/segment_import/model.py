"""What an export holds."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ExportedDestination:
    """A destination without its settings, because these hold the API key.

    Attributes:
        keys: what subscriptions refer to it by: its id, or its name in Terraform.
        name: its name for people, or "".
        enabled: whether it receives events.
        kind: slug and name of its type in Segment's catalogue, as far as the export has them.
        actions: the slugs of its actions, by their ids.
        source: what its source is referred to by, or "".
        obstacles: why it could not be read completely.
    """

    keys: frozenset[str]
    name: str
    enabled: bool
    kind: tuple[str, ...]
    actions: dict[str, str]
    source: str = ""
    obstacles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExportedFilter:
    """A destination filter, or a function that changes events on their way.

    Attributes:
        name: its name for people, with what it is.
        destination: one of the keys of its destination, or "".
        condition: which events it is about.
        does: what it does to them, as `DROP`; `FUNCTION` for a function.
        obstacles: why it could not be read completely.
    """

    name: str
    destination: str
    condition: str
    does: tuple[str, ...]
    obstacles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExportedSubscription:
    """A subscription, which is what Segue calls a mapping.

    Attributes:
        name: its name for people, or "".
        destination: one of the keys of its destination, or "".
        action_id: id of its action, or "".
        action: slug of its action, or "".
        trigger: its trigger in FQL.
        enabled: whether it applies to events.
        fields: the mapping-kit value of each field.
        obstacles: why it could not be read completely.
    """

    name: str
    destination: str
    action_id: str
    action: str
    trigger: str
    enabled: bool
    fields: dict[str, Any]
    obstacles: tuple[str, ...]
