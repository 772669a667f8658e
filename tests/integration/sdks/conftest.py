"""Installs the SDKs once for the session."""

from pathlib import Path

import pytest

from .installed import Installed


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Every SDK that can be run here."""
    directory: Path = tmp_path_factory.mktemp("sdks")
    return Installed(directory)
