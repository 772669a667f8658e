"""The tree that docs/design.md prints is the real one, and a class is found by its name."""

import ast
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
MARKED: Final = re.compile(r"<!-- tree:begin.*?```text\n(.*?)```.*?tree:end -->", re.DOTALL)


def printed() -> Iterator[str]:
    """The folders between the marks, as paths."""
    tree = MARKED.search((ROOT / "docs" / "design.md").read_text(encoding="utf-8"))
    assert tree is not None
    above: list[str] = []
    for line in tree[1].splitlines():
        folder = re.fullmatch(r"(?P<indent>(?:  )*)(?P<name>\w+)/(?: .*)?", line)
        assert folder is not None, line
        above[len(folder["indent"]) // 2 :] = [folder["name"]]
        yield "/".join(above)


def real() -> Iterator[str]:
    """The project's own folders at the top, and every package of Python below `producer` and `worker`."""
    ignored = {line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()}
    yield from (
        path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "." and path.name not in ignored
    )
    for top in ("producer", "worker"):
        yield from (path.parent.relative_to(ROOT).as_posix() for path in (ROOT / top).rglob("__init__.py"))


def test_the_printed_tree_is_the_real_one() -> None:
    assert sorted(printed()) == sorted(real())


def test_no_two_classes_have_one_name() -> None:
    places: dict[str, list[str]] = {}
    for source in chain((ROOT / "producer").rglob("*.py"), (ROOT / "worker").rglob("*.py")):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(source.relative_to(ROOT).as_posix())
    assert len(places) > 300
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
