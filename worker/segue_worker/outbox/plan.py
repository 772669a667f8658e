"""Which mappings take which events: what is kept of a configuration, so that what it began can be finished. Pure."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple, Self

import orjson

from segue_worker.mapping import CompiledMapping, Trigger, compile_trigger, lets_through

_compiled = lru_cache(maxsize=1000)(compile_trigger)


class Rule(NamedTuple):
    """A mapping's name, its action, which events it takes (FQL), and whether it was enabled."""

    mapping: str
    action: str
    trigger: str
    enabled: bool


class Plan(NamedTuple):
    """The rules of a destination's mappings, in their order.

    Attributes:
        version: 16 hexadecimal digits; plans of one version have the same rules.
        rules: one for each mapping.
    """

    version: str
    rules: tuple[Rule, ...]

    @classmethod
    def of(cls, mappings: Iterable[CompiledMapping]) -> Self:
        """The plan of a destination's mappings."""
        return cls.from_rules([Rule(each.name, each.action, each.trigger.text, each.enabled) for each in mappings])

    @classmethod
    def from_rules(cls, rules: Sequence[Rule]) -> Self:
        """A plan with its version."""
        text = orjson.dumps(rules, default=tuple)
        return cls(blake2b(text, digest_size=8).hexdigest(), tuple(rules))

    def to_json(self) -> bytes:
        """The form in which it is kept."""
        return orjson.dumps(self.rules, default=tuple)

    @classmethod
    def from_json(cls, raw: bytes | str) -> Self:
        """Read what `to_json` wrote."""
        return cls.from_rules([Rule(*fields) for fields in orjson.loads(raw)])

    def takes(self, event: dict[str, Any]) -> list[Rule]:
        """The rules by which an event became requests, in order."""
        if not lets_through(event):
            return []
        return [rule for rule in self.rules if rule.enabled and _trigger(rule)(event)]


def _trigger(rule: Rule) -> Trigger:
    return _compiled(rule.trigger)


def owner_token(run: str, plan: Plan) -> str:
    """The token of a run: unique, and ending in the version of the plan that it works by."""
    return f"{run}.{plan.version}"


def version_in(owner: str) -> str:
    """The version of the plan that the owner of a claim worked by; "" where its token names none."""
    return owner.rpartition(".")[2] if "." in owner else ""
