"""A worker that reports its errors to Sentry: `celery -A sentry_worker worker`, in place of `-A segue_worker`.

What Sentry would add by itself holds events and keys: local variables, arguments of tasks, commands to Redis, texts of
errors. So it adds none of that; the type of an error, where it was raised, and the line in the log say enough.
"""

import os
from typing import Any

import sentry_sdk

from segue_worker.celery import app

__all__ = ["app"]


def without_texts(event: Any, _: Any) -> Any:
    """The event without what an error quotes, and without variables."""
    for error in event.get("exception", {}).get("values", ()):
        error["value"] = ""
    return event


sentry_sdk.init(
    dsn=os.environ.get("SENTRY_DSN"),
    before_send=without_texts,
    include_local_variables=False,
    max_breadcrumbs=0,
    # No hooks into Celery, Redis and HTTP clients: what they note of a call are its arguments.
    auto_enabling_integrations=False,
)
