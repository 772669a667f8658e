"""A real browser and a dashboard process, put together for a test."""

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

from tests import needs

from .stack import API_KEY, Stack

TOKEN: Final = "a-token-for-tests-only"  # noqa: S105 - nothing to protect
AXE: Final = next(Path(__file__).with_name("vendor").glob("axe-core-*.min.js"))
_READY: Final = re.compile(r"dashboard ready at (http://\S+?)/$")


class DashboardProcess:
    """`segue dashboard` in a process of its own, as a context manager; with further options of the command."""

    def __init__(self, stack: Stack, *options: str) -> None:
        self._stack = stack
        self._options = options
        self.url = ""

    def __enter__(self) -> Self:
        environ = {
            "SEGUE_REDIS_URL": self._stack.server.url,
            **self._stack.broker_environ,
            "SEGUE_CONFIG": str(self._stack.config),
            "SEGUE_DASHBOARD_TOKEN": TOKEN,
            "LOOPS_API_KEY": API_KEY,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "segue_worker.cli", "dashboard", "--port", "0", *self._options],
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        said = ""
        for line in self._process.stderr:
            if ready := _READY.match(line.strip()):
                self.url = ready.group(1)
                return self
            said += line
        raise AssertionError(f"the dashboard did not start: {said}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate(timeout=30)


class Visitor:
    """A page of the browser, with everything that went wrong in it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._asked)

    async def sign_in(self, token: str = TOKEN) -> None:
        """Give the token."""
        await self.page.goto(self.url + "/sign-in")
        await self.page.get_by_label("Token").fill(token)
        await self.page.get_by_role("button", name="Sign in").click()

    async def signed_in(self) -> Self:
        """Sign in, and see the overview."""
        await self.sign_in()
        await self.page.get_by_role("heading", name="Overview").wait_for()
        return self

    async def go(self, path: str) -> None:
        """Open a page by its address."""
        await self.page.goto(self.url + path)

    async def issues(self) -> list[str]:
        """What axe-core finds on the page: rule and places."""
        # Through the debugger's protocol: the page's own policy lets no such script in.
        await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found: dict[str, Any] = await self.page.evaluate("() => axe.run()")
        return [f"{issue['id']}: {[node['target'] for node in issue['nodes']]}" for issue in found["violations"]]

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:")):
            self.errors.append(f"asked elsewhere: {request.url}")

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(f"{message.type}: {message.text}")


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """A headless chromium."""
    async with async_playwright() as playwright:
        # Its own sandbox wants privileges that containers do not have.
        browser = await playwright.chromium.launch(executable_path=needs.CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visit(
    browser: Browser, dashboard: DashboardProcess, *, width: int = 1280, scheme: Literal["light", "dark"] = "light"
) -> AsyncIterator[Visitor]:
    """A window of its own, with cookies of its own."""
    context = await browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    try:
        yield Visitor(await context.new_page(), dashboard.url)
    finally:
        await context.close()
