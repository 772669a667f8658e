"""Names that producers and workers must agree on."""

from typing import Final

DEFAULT_REDIS_URL: Final = "redis://localhost:6379/0"
QUEUE: Final = "segue"
"""Celery queue of all Segue tasks, so that a broker shared with other applications keeps them apart."""

DELIVER: Final = "segue.deliver"
SWEEP: Final = "segue.sweep"
ENQUEUE: Final = "segue.enqueue"
HINT_EXPIRES_S: Final = 30
"""A hint older than this says nothing that a newer one, or the sweep, has not said."""
