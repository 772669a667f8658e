"""What the project says of itself as a package is true."""

import re
import subprocess
import sys
import tarfile
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import segue_producer
import segue_worker

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PICTURES: Final = {".png", ".svg"}


def test_both_packages_tell_the_version() -> None:
    assert segue_producer.__version__ == segue_worker.__version__ == metadata.version("segue") == PROJECT["version"]


def test_the_python_that_runs_this_is_one_that_is_supported() -> None:
    supported = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["classifiers"]))
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in supported
    assert PROJECT["requires-python"] == f">={supported[0]}"


def test_each_pin_stands_once_and_in_order() -> None:
    pins = re.findall(r"^(\S+)==(\S+)", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert pins == sorted(pins, key=lambda pin: re.sub("[-_.]", "-", pin[0].lower()))
    assert len(dict(pins)) == len(pins)


def test_no_picture_is_kept_that_no_page_shows() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))
    for path in (ROOT / "docs").rglob("*"):
        assert path.suffix not in PICTURES or path.name in pages, path


def test_a_source_distribution_can_be_tested_and_read(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (made,) = tmp_path.iterdir()
    with tarfile.open(made) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    tracked = {str(path.relative_to(ROOT)) for folder in ("tests", "docs") for path in (ROOT / folder).rglob("*.*")}
    assert {path for path in tracked if "__pycache__" not in path} <= packed
    assert {"README.md", "CHANGELOG.md", "Makefile", "pyproject.toml", "constraints.txt"} <= packed
