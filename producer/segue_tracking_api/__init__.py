"""The Tracking API: an HTTP endpoint that accepts what unmodified Segment and RudderStack SDKs send.

What clients send, and how they react to answers, is described in docs/segment.md#sdks-and-the-tracking-api. This
package needs the extra `http`.
"""

from segue_producer.serving import bind
from segue_tracking_api.app import create_app
from segue_tracking_api.limits import Limits
from segue_tracking_api.server import serve

__all__ = ["Limits", "bind", "create_app", "serve"]
