"""The dashboard over HTTP, until the process is told to stop."""

from collections.abc import Callable, Sequence

import uvicorn
from starlette.types import ASGIApp

from segue_producer.serving import ReadyServer, bind

_STOP_S = 5


def serve(app: ASGIApp, host: str, port: int, on_ready: Callable[[str], None], *, proxies: Sequence[str] = ()) -> None:
    """Answer requests until the process is told to stop.

    Args:
        app: the dashboard.
        host: address to listen on.
        port: 0 takes a free one.
        on_ready: called with the address once requests are answered.
        proxies: addresses and networks that are believed in X-Forwarded-For and X-Forwarded-Proto.

    Raises:
        OSError: the address is in use, or is not this machine's.
    """
    with bind(host, port) as listener:
        taken = listener.getsockname()[1]
        address = f"http://{f'[{host}]' if ':' in host else host}:{taken}/"
        config = uvicorn.Config(
            app,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            # URLs hold no personal data, but nobody needs a log of who looked at what.
            access_log=False,
            server_header=False,
            forwarded_allow_ips=list(proxies),
            timeout_graceful_shutdown=_STOP_S,
        )
        ReadyServer(config, lambda: on_ready(address)).run_until_stopped(listener)
