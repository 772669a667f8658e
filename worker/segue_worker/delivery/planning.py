"""Which requests the events of a contact become, by the mappings; what becomes none has its reason, or a dead letter. Pure."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import timedelta

from segue_worker.config.durations import duration_text
from segue_worker.delivery.coalesce import Piece
from segue_worker.delivery.letters import Letters
from segue_worker.errors import MappingError, PayloadError
from segue_worker.mapping import CompiledMapping, lets_through
from segue_worker.mapping.request import Request
from segue_worker.mapping.why_filtered import filter_reasons
from segue_worker.outbox.entry import Waiting
from segue_worker.outbox.outgoing import Ref
from segue_worker.outbox.plan import Plan
from segue_worker.schema.sent import SentKeys

_Wanted = list[tuple[str, CompiledMapping | None]]


class Planner:
    """Plans the events of one contact, one after the other, oldest first.

    Args:
        mappings: the destination's, in their order.
        letters: makes their dead letters.
        sent: says what Loops does not know of a request.
        now_ms: gives unix ms.
        held: what a parked request stands for, which goes before all that is planned.
        in_doubt: whether a request may have been sent for the first events that nobody recorded.
    """

    def __init__(  # noqa: PLR0913 - what a plan depends on
        self,
        mappings: Sequence[CompiledMapping],
        *,
        letters: Letters,
        sent: SentKeys,
        now_ms: Callable[[], int],
        held: Collection[Ref],
        in_doubt: bool,
    ) -> None:
        self._mappings = mappings
        self._enabled = [(mapping.name, mapping) for mapping in mappings if mapping.enabled]
        self._letters = letters
        self._sent = sent
        self._now_ms = now_ms
        self._held = held
        self._in_doubt = in_doubt

    def pieces(self, place: int, waiting: Waiting) -> list[Piece]:
        """The requests of the event at a place; what becomes of it besides is noted with it."""
        waiting.state = "sending"
        if self._held:
            waiting.left = {ref.mapping for ref in self._held if ref.event == place}
        pieces = []
        for name, mapping in self._wanted(waiting):
            if name in waiting.done or name in waiting.left:
                continue
            request = self._request(waiting, name, mapping)
            if request is not None:
                waiting.left.add(name)
                waiting.made[name] = request
                if repairs := request.repairs + self._sent.unknown_in(request):
                    waiting.repairs[name] = repairs
                pieces.append(Piece(place, request, waiting.apart.get(name, "")))
        if not waiting.left and not waiting.done:
            waiting.state = "filtered"
            waiting.because = filter_reasons(waiting.event or {}, self._mappings)
        if waiting.dead:
            # All that the event is for is known only now.
            waiting.dead = [
                replace(letter, beside=tuple((0, name) for name in waiting.others(letter.mappings)))
                for letter in waiting.dead
            ]
        if self._in_doubt:
            # As in `keep_to`: the one request that may have been sent ends with an event at the latest.
            self._in_doubt = all(piece.request.action != "sendEvent" for piece in pieces)
        return pieces

    def _wanted(self, waiting: Waiting) -> _Wanted:
        """The mappings that take an event, by name; None for one that the configuration no longer has, or not in use.

        An event of which anything was attempted or recorded is finished with those that it was begun with, whatever their
        triggers say by now: sent by others it would be sent twice, and left to them it could vanish.
        """
        if waiting.only is None:
            event = waiting.event or {}
            if not lets_through(event):
                return []
            return [(name, mapping) for name, mapping in self._enabled if mapping.trigger(event)]
        known = dict(self._enabled)
        wanted: _Wanted = [(name, mapping) for name, mapping in known.items() if name in waiting.only]
        return wanted + [(name, None) for name in waiting.only if name not in known]

    def _request(self, waiting: Waiting, name: str, mapping: CompiledMapping | None) -> Request | None:
        """What a mapping makes of an event that it takes; None where there is a dead letter instead."""
        if mapping is None:
            gone = f"the configuration no longer has the mapping {name!r}"
            off = f"the mapping {name!r}, with which it was begun, is disabled by now"
            is_off = any(each.name == name for each in self._mappings)
            self._letters.bury(waiting, "mapping_gone", off if is_off else gone, name)
            return None
        try:
            request = mapping.request(waiting.event or {})
        except PayloadError as error:
            self._letters.bury(waiting, "payload", str(error), name)
        except MappingError as error:
            self._letters.bury(waiting, "mapping", str(error), name)
        except Exception as error:  # noqa: BLE001 - whatever an event does to a mapping, its neighbours go on
            self._letters.bury(waiting, "mapping", f"the mapping failed with {type(error).__name__}", name)
        else:
            if not mapping.max_wait_ms or not self._is_late(waiting, mapping):
                return request
            waited = duration_text(timedelta(seconds=(self._now_ms() - waiting.enqueued) // 1000))
            most = duration_text(timedelta(milliseconds=mapping.max_wait_ms))
            late = f"its turn came {waited} after it was enqueued, and max_wait is {most}"
            self._letters.bury(waiting, "late", late, name)
        return None

    def _is_late(self, waiting: Waiting, mapping: CompiledMapping) -> bool:
        """Whether an event's turn comes too late; never that of a replay, which somebody asked for, or of one that may be sent."""
        late = self._now_ms() - waiting.enqueued > mapping.max_wait_ms
        return bool(late and waiting.enqueued and not (waiting.replay or waiting.origin or self._in_doubt))


def keep_to(plan: Plan, events: Sequence[Waiting], destination: str) -> None:
    """Keep the events that an unrecorded request may have stood for to the mappings that took them by then.

    Everything behind the first request was recorded before it was sent, or not sent. That request may be a merge, of
    which nothing is known but that it ends with an event at the latest.

    Args:
        plan: by which that request was planned.
        events: of the contact, oldest first.
        destination: under whose name it was sent.
    """
    for waiting in events:
        rules = plan.takes(waiting.event) if waiting.event and waiting.only is None else []
        if rules:
            waiting.only = tuple(rule.mapping for rule in rules)
            waiting.origin = waiting.origin or destination
            waiting.changed = True
        if any(rule.action == "sendEvent" for rule in rules):
            return
