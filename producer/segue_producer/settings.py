"""Names that producers and workers must agree on."""

from typing import Final

DEFAULT_REDIS_URL: Final = "redis://localhost:6379/0"
QUEUE: Final = "segue"
"""Celery queue of hints and sweeps, so that a broker shared with other applications keeps them apart."""
ENQUEUE_QUEUE: Final = "segue.enqueue"
"""Celery queue of the task `segue.enqueue`, which may have to wait; it is read from the other one as well."""

DELIVER: Final = "segue.deliver"
SWEEP: Final = "segue.sweep"
ENQUEUE: Final = "segue.enqueue"
HINT_EXPIRES_S: Final = 30
"""A hint older than this says nothing that a newer one, or the sweep, has not said."""
