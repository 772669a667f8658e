"""What may come of a request instead of an answer.

LoopsError                         (segue_worker.errors)
└── NoAnswerError                  it is not known whether Loops applied the request
    ├── LoopsTimeoutError          no answer in time
    └── LoopsConnectionError       no connection, or one that broke
"""

from segue_worker.errors import LoopsError


class LoopsRefusedError(LoopsError):
    """Loops answered, and did not do what was asked.

    Attributes:
        status: of its answer, where the asker needs it; else 0.
    """

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status


class NoAnswerError(LoopsError):
    """No answer came; Loops may or may not have applied the request."""


class LoopsTimeoutError(NoAnswerError):
    """No answer came in time."""


class LoopsConnectionError(NoAnswerError):
    """No connection could be made, or it broke before the answer."""
