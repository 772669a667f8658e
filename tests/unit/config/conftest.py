"""Writing small configurations, and reading what is said about them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from segue_worker.config import Inspection, inspect_config

ENVIRON = {"LOOPS_API_KEY": "test-api-key", "SEGUE_WRITE_KEY": "test-write-key"}


@pytest.fixture
def inspect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Inspection]:
    """Write a text as segue.yaml and inspect it, with further variables."""
    monkeypatch.chdir(tmp_path)

    def write_and_inspect(text: str, **environ: str) -> Inspection:
        Path("segue.yaml").write_text(text, encoding="utf-8")
        return inspect_config("segue.yaml", {**ENVIRON, **environ})

    return write_and_inspect


@pytest.fixture
def found(inspect: Callable[..., Inspection]) -> Callable[..., list[tuple[int | None, str, str]]]:
    """Write a text as segue.yaml and list its problems: line, path, reason."""

    def write_and_list(text: str, **environ: str) -> list[tuple[int | None, str, str]]:
        return [(each.line, each.path, each.reason) for each in inspect(text, **environ).problems]

    return write_and_list
