"""The dashboard: web pages, rendered by the server, that show what happens to events. They load nothing from elsewhere."""

from segue_worker.dashboard.app import create_app
from segue_worker.dashboard.context import Dashboard

__all__ = ["Dashboard", "create_app"]
