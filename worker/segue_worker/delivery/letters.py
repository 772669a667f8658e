"""Makes the dead letters of a contact: of a request that was given up, and of an event that never became one. Pure."""

from collections.abc import Callable, Sequence
from typing import Any

from segue_worker.outbox.dead_letter import DeadLetter, sources_of
from segue_worker.outbox.entry import Waiting
from segue_worker.outbox.outgoing import Outgoing


class Letters:
    """The dead letters of one contact.

    Args:
        contact: as it stands in keys.
        now_ms: gives unix ms, for their times.
    """

    __slots__ = ("_contact", "_now_ms")

    def __init__(self, contact: bytes, now_ms: Callable[[], int]) -> None:
        self._contact = contact
        self._now_ms = now_ms

    def bury(self, waiting: Waiting, reason: str, detail: str, *mappings: str) -> None:
        """Give an event up for some mappings, or for all; its letter is noted with it, to be recorded."""
        letter = self._letter(
            reason=reason,
            detail=detail,
            mappings=mappings,
            refs=tuple((0, mapping) for mapping in mappings),
            message_ids=(waiting.message_id,) if waiting.message_id else (),
            events=(waiting.text,),
            sources=sources_of([waiting.source]),
        )
        waiting.dead = (*waiting.dead, letter)
        waiting.done |= dict.fromkeys(mappings or ("",), "failed")

    def of_request(
        self, request: Outgoing, events: Sequence[Waiting], reason: str, detail: str, **attempt: Any
    ) -> DeadLetter:
        """The letter of a request that stands for some of the events; `attempt` is what `DeadLetter` says of it."""
        places = sorted({ref.event for ref in request.refs})
        held = [events[place] for place in places]
        return self._letter(
            reason=reason,
            detail=detail,
            mappings=tuple(dict.fromkeys(ref.mapping for ref in request.refs)),
            message_ids=tuple(waiting.message_id for waiting in held),
            events=tuple(waiting.text for waiting in held),
            sources=sources_of(waiting.source for waiting in held),
            refs=tuple((places.index(ref.event), ref.mapping) for ref in request.refs),
            request={"method": request.method, "path": request.path, "body": request.body.decode()},
            beside=tuple(
                (place, mapping)
                for place, waiting in enumerate(held)
                for mapping in waiting.others({ref.mapping for ref in request.refs if ref.event == places[place]})
            ),
            **attempt,
        )

    def _letter(self, **fields: Any) -> DeadLetter:
        return DeadLetter(contact=self._contact.decode("utf-8", "replace"), at=self._now_ms(), **fields)
