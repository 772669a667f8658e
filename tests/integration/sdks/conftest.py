"""Installs the SDKs once for the session, and says which of them cannot be run here."""

from pathlib import Path

import pytest

from .installed import HAS_BROWSER, HAS_NODE, Installed


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Every SDK that can be run here."""
    directory: Path = tmp_path_factory.mktemp("sdks")
    return Installed(directory)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was left out, as it would otherwise not be seen."""
    if not HAS_NODE:
        terminalreporter.write_line(
            "NOT TESTED: the SDKs for Node and browsers (node and npm are not on PATH)", red=True
        )
    elif not HAS_BROWSER:
        terminalreporter.write_line("NOT TESTED: the SDK for browsers (no chromium on PATH)", red=True)
