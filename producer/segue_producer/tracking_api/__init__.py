"""The Tracking API: an HTTP endpoint that takes what unmodified Segment and RudderStack SDKs send.

What clients send, and what they make of an answer, is in tracking-api-clients.md, E.1 to E.4. Needs the extra `http`.
"""

from segue_producer.serving import bind
from segue_producer.tracking_api.app import create_app
from segue_producer.tracking_api.limits import Limits
from segue_producer.tracking_api.server import serve

__all__ = ["Limits", "bind", "create_app", "serve"]
