"""The SDKs as published: which can be run here, how they are installed, and how they are started."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests import needs

HERE: Final = Path(__file__).parent
HAS_NODE: Final = bool(needs.NODE and needs.NPM)


@dataclass(frozen=True, slots=True)
class Sdk:
    """A published SDK.

    Attributes:
        name: of the package, with its version, or of the npm package.
        script: run with URL, key, user and further arguments; ends with 0 if all is well.
        pip: further options for pip.
    """

    name: str
    script: str
    pip: tuple[str, ...] = ()

    @property
    def is_python(self) -> bool:
        """Whether it is installed by pip."""
        return self.script.endswith(".py")

    @property
    def slug(self) -> str:
        """Its name, for folders and users."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.name).strip("-")


PYTHON_SDKS: Final = (
    Sdk("segment-analytics-python==2.3.4", "segment_python.py"),
    Sdk("segment-analytics-python==2.4.0", "segment_python.py"),
    Sdk("rudder-sdk-python==2.1.9", "rudder_python.py"),
)
NODE_SDKS: Final = (
    Sdk("@segment/analytics-node", "segment_node.mjs"),
    Sdk("@rudderstack/rudder-sdk-node", "rudder_node.mjs"),
)


LOOPS_CLIENTS: Final = (
    Sdk("loops", "loops_node.mjs"),
    Sdk("loops-sdk==0.3.3", "loops_sdk_client.py"),
    # It asks for Python 3.12, and runs on 3.11.
    Sdk(
        "pyloops==1.22.6",
        "pyloops_client.py",
        ("--python-version=3.12", "--only-binary=:all:", "--ignore-requires-python"),
    ),
)


class Installed:
    """The SDKs in folders of their own.

    Args:
        directory: for those folders.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with ThreadPoolExecutor() as pool:
            sdks = (*PYTHON_SDKS, *(client for client in LOOPS_CLIENTS if client.is_python))
            steps = [pool.submit(self._install_python, sdk) for sdk in sdks]
            if HAS_NODE:
                steps.append(pool.submit(self._install_node))
            for step in steps:
                step.result()

    def start(self, sdk: Sdk, *arguments: str) -> "subprocess.Popen[str]":
        """Start the script of an SDK."""
        if sdk.is_python:
            path = {"PYTHONPATH": str(self._directory / sdk.slug)}
            return _started([sys.executable, str(HERE / sdk.script), *arguments], path)
        return self.start_node(sdk.script, *arguments)

    def start_node(self, script: str, *arguments: str) -> "subprocess.Popen[str]":
        """Start a script with what npm installed."""
        return _started([needs.NODE, str(self._directory / script), *arguments], {})

    def _install_python(self, sdk: Sdk) -> None:
        target = self._directory / sdk.slug
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run(
            [*pip, *sdk.pip, "--target", str(target), sdk.name], check=True, capture_output=True, timeout=120
        )

    def _install_node(self) -> None:
        for file in (HERE / "package.json", *HERE.glob("*.mjs")):
            shutil.copy(file, self._directory)
        npm = [needs.NPM, "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(npm, cwd=self._directory, check=True, capture_output=True, timeout=120)


def _started(command: list[str], variables: dict[str, str]) -> "subprocess.Popen[str]":
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.Popen(
        command, env={**environ, **variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process: "subprocess.Popen[str]", *, within_s: float = 60) -> str:
    """Wait for a script to end well. Returns what it printed."""
    try:
        said, _ = process.communicate(timeout=within_s)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, said
    return said
