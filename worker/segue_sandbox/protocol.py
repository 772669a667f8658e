"""An HTTP protocol for uvicorn that adds what ASGI lacks: the time at which a request arrived, and hanging up."""

import time
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

CONNECTION = "segue.connection"


class WitnessProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, available to every request as `scope["state"][CONNECTION]`."""

    def __init__(self, config: "Config", server_state: "ServerState", app_state: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(config, server_state, {**app_state, CONNECTION: self}, **kwargs)
        self.arrived_at = 0.0

    def on_message_begin(self) -> None:
        """Note when the first byte of a request arrived, before anything is parsed or scheduled."""
        self.arrived_at = time.perf_counter()
        super().on_message_begin()

    def hang_up(self) -> None:
        """Close the connection at once; what has not been sent yet is discarded."""
        self.transport.abort()
