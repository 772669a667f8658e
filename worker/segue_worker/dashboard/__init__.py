"""The dashboard: what became of events, in a browser; server-rendered, and of use without a network beyond its host."""

from segue_worker.dashboard.app import create_app
from segue_worker.dashboard.context import Dashboard

__all__ = ["Dashboard", "create_app"]
