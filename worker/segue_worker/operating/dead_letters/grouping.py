"""Dead letters that died of the same cause: what was wrong, the mapping, the event and the status together. Pure.

What differs from letter to letter, such as a number, an email or what an answer quotes of the event, is no part of the
cause, and is hidden: causes can be shown to anybody.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final

import orjson

from segue_worker.delivery.journal import event_name_in
from segue_worker.masking import HIDDEN, mask_known, plain_answer
from segue_worker.outbox.dead_letter import REASONS, DeadLetter

HOURS: Final = 24
_HOUR_MS: Final = 3_600_000
_TEXTS: Final = 500
"""So many texts are told apart; where there are more, they differ by something that nobody can know to be a value."""
_ROUGHLY: Final = re.compile(r"(?<!\S)\S*?(?:\d\S*?\d|@)\S*")
"""Words of a text that are left out to find out quickly whether it is known. Begins only where a word does."""
_VARYING: Final = re.compile(
    r"(?P<status>(?:answered|last:) \d{3}\b)"
    r"|(?P<quote>[\"'])(?P<quoted>[^\"']+)(?P=quote)(?![^\s\"<>(),;:@]*+@)"  # not the beginning of an email
    r"|(?<![^\s\"<>(),;:])[^\s\"<>(),;:@]++@[^\s\"'<>(),;:]*"  # an email
    r"|(?<![\w-])[\w-]*?\d[\w-]*?\d[\w-]*"  # an id, or a number of several digits
    r"|(?<![\w-])\d(?![\w-])"
)
"""What may differ from letter to letter of one cause, besides what is known of each."""


@dataclass(frozen=True)
class Cause:
    """Why letters died.

    Attributes:
        reason: of `REASONS`.
        said: what was wrong, for people, with what differs between them hidden.
        mappings: whose requests they were; none where they never became one.
        events: names of their events; `identify` for an identify.
        status: of the last answer, or 0.
    """

    reason: str
    said: str
    mappings: tuple[str, ...]
    events: tuple[str, ...]
    status: int

    @cached_property
    def id(self) -> str:
        """Eight hexadecimal digits, the same wherever it is met."""
        known = orjson.dumps((self.reason, self.said, self.mappings, self.events, self.status))
        return blake2b(known, digest_size=4).hexdigest()


@dataclass(frozen=True, slots=True)
class LettersOfCause:
    """The letters of one cause.

    Attributes:
        cause: why they died.
        ids: theirs, oldest first.
        times: unix ms at which each died.
    """

    cause: Cause
    ids: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def per_hour(self, now_ms: float) -> list[int]:
        """How many died in each of the last 24 hours, the current one last."""
        places = [bisect_left(self.times, now_ms - hours * _HOUR_MS) for hours in range(HOURS, 0, -1)]
        return [after - before for before, after in zip(places, (*places[1:], len(self.times)), strict=True)]


class Causes:
    """Tells the causes of letters. It remembers texts, so it is best kept."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}
        self._known: dict[tuple[Any, ...], Cause] = {}
        self._causes: dict[Cause, Cause] = {}

    def read(self, raw: bytes) -> Cause:
        """The cause of a letter as it lies in Redis, the same object for each letter of it; much cheaper than the letter."""
        try:
            fields = orjson.loads(raw)
            events = tuple(filter(None, dict.fromkeys(map(event_name_in, fields["events"]))))
            status = int((fields.get("answer") or {}).get("status") or 0)
            detail, mappings = fields["detail"], tuple(fields["mappings"])
            known = (fields["reason"], _ROUGHLY.sub("", detail), mappings, events, status)
            found = self._known.get(known)
            if found is None:
                cause = Cause(str(fields["reason"]), self._text(detail, fields), mappings, events, status)
                found = self._known[known] = self._causes.setdefault(cause, cause)
        except (KeyError, TypeError, ValueError, AttributeError):
            letter = DeadLetter.read("", b"")
            cause = Cause(letter.reason, letter.detail, (), (), 0)
            found = self._causes.setdefault(cause, cause)
        return found

    def _text(self, detail: str, fields: dict[str, Any]) -> str:
        """A detail without what differs from letter to letter."""
        events, body = fields["events"], (fields.get("request") or {}).get("body")
        text = _VARYING.sub(lambda found: _constant(found, "".join(events)), plain_answer(detail))
        if text not in self._said:
            if len(self._said) >= _TEXTS:
                return REASONS.get(fields["reason"], "")
            self._said[text] = mask_known(text, str(fields["contact"]), body, *events)
        return self._said[text]


def grouped(letters: Iterable[tuple[str, float, Cause]]) -> list[LettersOfCause]:
    """Letters by their causes: id, unix ms and cause of each, oldest first. The largest group comes first."""
    found: dict[int, LettersOfCause] = {}
    for name, at, cause in letters:
        # `Causes` makes one object of each cause.
        group = found.get(id(cause))
        if group is None:
            group = found[id(cause)] = LettersOfCause(cause)
        group.ids.append(name)
        group.times.append(at)
    return sorted(found.values(), key=lambda group: -len(group.ids))


def _constant(found: re.Match[str], events: str) -> str:
    """What stands for a part of a text that may differ from letter to letter."""
    if found["status"]:
        return found[0]
    if found["quoted"] and not (f':"{found["quoted"]}"' in events or _VARYING.search(found["quoted"])):
        return found[0]
    quote = found["quote"] or ""
    return f"{quote}{HIDDEN}{quote}"
