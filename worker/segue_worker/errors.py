"""Every error the worker side raises on purpose, in one tree.

    SegueError                         (segue_producer.errors)
    ├── EnqueueError …                 (segue_producer.errors)
    ├── ConfigError                    the configuration is refused; carries every problem
    ├── TriggerError                   a trigger Segment would misread, or no trigger at all
    ├── MappingError                   a mapping's fields are at fault; carries every problem
    ├── PayloadError                   an event's payload breaks the action's rules
    ├── DamagedError                   what Redis holds of one contact cannot be read
    ├── RedisSetupError                Redis is set up so that it may lose events
    ├── RedisServerError               no Redis server of one's own could be started
    └── LoopsError                     an answer, or none, from Loops (see `segue_worker.loops.errors`)

Messages say what is wrong, where, and what to do. None carries an API key or personal data.
"""

from segue_producer.errors import SegueError

__all__ = [
    "ConfigError",
    "DamagedError",
    "LoopsError",
    "MappingError",
    "PayloadError",
    "RedisServerError",
    "RedisSetupError",
    "SegueError",
    "TriggerError",
]


class ConfigError(SegueError):
    """The configuration is refused.

    Attributes:
        problems: every problem found, each `file:line: path: reason`, in file order.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class TriggerError(SegueError):
    """A trigger is refused.

    Attributes:
        reason: what is wrong and which spelling works.
        position: index of the first character at fault, counted in code points from 0.
    """

    def __init__(self, reason: str, *, text: str = "", position: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.text = text
        self.position = position


class MappingError(SegueError):
    """A mapping is refused at load, or cannot be resolved for an event.

    Attributes:
        problems: every problem, as `/path/in/mapping problem.` (Segment's wording).
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


class PayloadError(SegueError):
    """The payload a mapping made breaks its action's rules (docs/segment.md#conversion-and-checks)."""


class DamagedError(SegueError):
    """What Redis holds of one contact cannot be read: it is damaged, or another version wrote it."""


class RedisSetupError(SegueError):
    """Redis is set up so that it may lose events; the message says which setting to change."""


class RedisServerError(SegueError):
    """No Redis server of one's own could be started, for the demo, tests and benchmarks; says which were looked for."""


class LoopsError(SegueError):
    """Loops refused a request, or did not answer."""
