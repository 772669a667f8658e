"""Whatever names a page, from a page or from the code, leads somewhere."""

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT: Final = Path(__file__).parents[3]
CODE: Final = ("producer", "worker", "tests", "benchmarks", "examples", "deploy", "docs")
SUFFIXES: Final = frozenset({".py", ".lua", ".yml", ".yaml", ".toml", ".html", ".js", ".css", ".md"})
FOREIGN: Final = frozenset({"vendor", "cases", "node_modules", "__pycache__"})
"""Folders with text of others, or recorded from others."""

PAGES: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
NAMED: Final = re.compile(r"(?<![\w./:-])(?:\.\./)*[\w-]+(?:/[\w-]+)*\.md(?:#[\w-]+)?")
"""A page by its name, perhaps with the folder before it and a heading behind it."""


BY_NUMBER: Final = re.compile(r"\b(?:[Ss]ections?|[Rr]ules?|[Rr]ows?) \d|[(,] ?[A-Ea-e]\.\d")
"""A place by its number, which leads nowhere as soon as the page changes."""


def code() -> Iterator[Path]:
    """Every file of ours that may name a page, pages themselves left out."""
    yield from (path for path in ROOT.iterdir() if path.is_file() and path not in PAGES and path.name[0] != ".")
    for top in CODE:
        for path in (ROOT / top).rglob("*"):
            if path.suffix in SUFFIXES and path not in PAGES and FOREIGN.isdisjoint(path.parts):
                yield path


def tokens(page: Path) -> Iterator[Token]:
    """The inline tokens of a page; what stands in code is not among them."""
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")):
        yield from token.children or ()


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors that GitHub gives a page's headings; those of MkDocs are checked by `test_the_site_builds`."""
    parsed = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
    headings = [after.content for token, after in pairwise(parsed) if token.type == "heading_open"]
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


def leads_somewhere(target: str, *bases: Path) -> bool:
    """Whether a path, perhaps with an anchor, is there, seen from one of the folders."""
    path, _, anchor = target.partition("#")
    found = [file for base in bases if (file := (base / path).resolve()).exists()]
    return bool(found) and (not anchor or anchor in anchors(found[0]))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    for token in tokens(page):
        target = str(token.attrs.get("href") or token.attrs.get("src") or "")
        if not target or re.match(r"https?:", target):
            continue
        if target.startswith("#"):
            assert target[1:] in anchors(page), target
        else:
            assert leads_somewhere(target, page.parent), target


def test_pages_named_in_code_exist_and_have_the_heading() -> None:
    lost = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in code()
        for name in NAMED.findall(path.read_text(encoding="utf-8"))
        if not leads_somewhere(name, ROOT, ROOT / "docs", path.parent)
    ]
    assert not lost


def test_nothing_is_referred_to_by_a_number() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in (*code(), *PAGES)
        for line in path.read_text(encoding="utf-8").splitlines()
        if BY_NUMBER.search(line)
    ]
    assert not found


def test_pages_named_in_the_text_of_pages_exist() -> None:
    """In running text and in `code`, where a name is no link."""
    lost = [
        f"{page.name}: {name}"
        for page in PAGES
        for token in tokens(page)
        if token.type in {"text", "code_inline"}
        for name in NAMED.findall(token.content)
        if not leads_somewhere(name, ROOT, page.parent)
    ]
    assert not lost


def test_the_site_builds(tmp_path: Path) -> None:
    """MkDocs finds every page, link and heading, and warns of nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "index.html").exists()
    assert (tmp_path / "docs" / "design.html").exists()


def test_paths_that_pages_name_exist() -> None:
    """In `code`, where a path is no link."""
    lost = [
        f"{page.name}: {token.content}"
        for page in PAGES
        for token in tokens(page)
        if token.type == "code_inline"
        and token.content.split("/")[0] in CODE
        and re.fullmatch(r"[\w.-]+(/[\w.-]+)+/?", token.content)
        and not (ROOT / token.content).exists()
    ]
    assert not lost
