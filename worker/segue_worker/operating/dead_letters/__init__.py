"""Working with dead letters: find, group, read, replay and delete them, and limit how many are kept."""

from segue_worker.operating.dead_letters.choosing import Chooser, History
from segue_worker.operating.dead_letters.dropping import drop, trim
from segue_worker.operating.dead_letters.filtering import Filter, parse_since
from segue_worker.operating.dead_letters.grouping import Cause, LettersOfCause, grouped
from segue_worker.operating.dead_letters.index import Indexed, LetterIndex
from segue_worker.operating.dead_letters.reading import in_order, matching, read_letters
from segue_worker.operating.dead_letters.replaying import NotReplayable, Replay, Replayed, prepare_replay, replay

__all__ = [
    "Cause",
    "Chooser",
    "Filter",
    "History",
    "Indexed",
    "LetterIndex",
    "LettersOfCause",
    "NotReplayable",
    "Replay",
    "Replayed",
    "drop",
    "grouped",
    "in_order",
    "matching",
    "parse_since",
    "prepare_replay",
    "read_letters",
    "replay",
    "trim",
]
