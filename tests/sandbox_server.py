"""The sandbox in a thread of the test's own process."""

import threading
from types import TracebackType
from typing import Self

from segue_producer.serving import bind
from segue_sandbox.core import Sandbox
from segue_sandbox.ledger import Ledger
from segue_sandbox.server import base_url, make_server
from segue_sandbox.switches import Switches

_START_TIMEOUT_S = 30.0


class SandboxServer:
    """A sandbox served by a thread of this process, as a context manager.

    Attributes:
        sandbox: the state itself, to look at and to change directly.
    """

    def __init__(
        self,
        switches: Switches | None = None,
        *,
        api_keys: tuple[str, ...] = (),
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.sandbox = Sandbox(switches, api_keys=api_keys, seed=seed)
        self._listener = bind(host, port)
        self.base_url = base_url(self._listener)
        self._ready = threading.Event()
        self._server = make_server(self.sandbox, self._ready.set)
        self._thread = threading.Thread(target=self._run, name="segue-sandbox", daemon=True)

    @property
    def ledger(self) -> Ledger:
        """Every request so far."""
        return self.sandbox.ledger

    def start(self) -> Self:
        """Begin to answer; returns when that is so."""
        self._thread.start()
        if not self._ready.wait(_START_TIMEOUT_S):
            raise TimeoutError("the sandbox did not start in time")
        return self

    def stop(self) -> None:
        """Stop answering and close every connection; returns when that is done."""
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        self._server.run(sockets=[self._listener])
