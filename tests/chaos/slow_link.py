"""A slow line between a client and a server on this machine: every piece of data takes a random while, in its order."""

import asyncio
import random
import threading
from concurrent.futures import Future
from types import TracebackType
from typing import Self


class SlowLink:
    """Listens on a free port and passes everything on to `port`, each piece later by a random time.

    Args:
        port: of the server, on this machine.
        shortest_ms: the least that a piece is late.
        longest_ms: the most.
        seed: of the random times.
    """

    def __init__(self, port: int, *, shortest_ms: float, longest_ms: float, seed: int = 0) -> None:
        self._server_port = port
        self._late_s = (shortest_ms / 1000, longest_ms / 1000)
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="slow-link", daemon=True)
        self._passing: set[asyncio.Task[None]] = set()
        self.port = 0
        """Where it listens, once entered."""

    async def _listen(self) -> int:
        self._listening = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._listening.sockets[0].getsockname()[1]
        return port

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            ahead, back = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            writer.close()
            return
        for source, target in ((reader, back), (ahead, writer)):
            task = asyncio.create_task(self._pass_on(source, target))
            self._passing.add(task)
            task.add_done_callback(self._passing.discard)

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await asyncio.sleep(self._random.uniform(*self._late_s))
                target.write(data)
                await target.drain()
        except OSError:
            pass
        finally:
            target.close()

    async def _end(self) -> None:
        self._listening.close()
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    def __enter__(self) -> Self:
        self._thread.start()
        listening: Future[int] = asyncio.run_coroutine_threadsafe(self._listen(), self._loop)
        self.port = listening.result(timeout=10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()
