"""The Loops API, as far as Segue speaks it."""

from segue_worker.loops.answer import Answer
from segue_worker.loops.client import LoopsClient
from segue_worker.loops.errors import LoopsConnectionError, LoopsRefusedError, LoopsTimeoutError, NoAnswerError

__all__ = ["Answer", "LoopsClient", "LoopsConnectionError", "LoopsRefusedError", "LoopsTimeoutError", "NoAnswerError"]
