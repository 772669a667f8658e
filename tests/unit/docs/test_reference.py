"""The pages that are made from the code are current, and what they cannot be made from is complete."""

import re
from pathlib import Path

import pytest
from docs.reference import PAGES, configuration

ROOT = Path(__file__).parents[3]
FOR_TESTS = {"SEGUE_FAULT_POINT"}
NAMED_BY_USERS = {"SEGUE_ONLY", "SEGUE_WRITE_KEY"}
"""In what `segue import` writes, and in an example: no variable that the code reads."""


@pytest.mark.parametrize("name", PAGES)
def test_a_page_made_from_the_code_is_current(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == PAGES[name](), "run `make reference`"


def test_every_variable_that_the_code_reads_is_explained() -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8") for top in ("producer", "worker") for path in (ROOT / top).rglob("*.py")
    )
    variables = set(re.findall(r"\bSEGUE_[A-Z_]+\b", code)) - NAMED_BY_USERS
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for variable in variables:
        page = contributing if variable in FOR_TESTS else configuration()
        assert f"`{variable}`" in page, variable
