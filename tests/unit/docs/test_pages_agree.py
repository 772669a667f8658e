"""What pages list by hand is what the code has: keys, switches, directives, fields."""

import re
from pathlib import Path
from typing import Final

import pytest

from segue_producer.keys import Keys
from segue_sandbox.switches import Switches
from segue_worker.mapping import ACTIONS, compile_trigger
from segue_worker.mapping.directives import DIRECTIVES

DOCS: Final = Path(__file__).parents[3] / "docs"
OPTIONS: Final = {"rate_limit", "latency_ms", "fail"}
"""Switches that are options of `segue sandbox`, and no questions about Loops."""


def section(page: str, heading: str) -> str:
    """The text below a heading, up to the next one of any level."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


def first_column(text: str) -> set[str]:
    """The first `code` of each row of the tables in a text."""
    return set(re.findall(r"^\| `([^`]+)`", text, re.MULTILINE))


def test_every_key_is_in_the_table_and_no_other() -> None:
    prefix = "segue:{loops}:"
    keys = {getattr(Keys("loops"), name).removeprefix(prefix) for name in Keys.__slots__}
    listed = {name for name in first_column(section("design.md", "Redis keys")) if not name.startswith("segue")}
    assert {re.sub(r"(?<=:)[A-Z:]+$", "", name) for name in listed} == keys


def test_every_switch_of_the_stand_in_is_named_beside_the_fact_it_is_about() -> None:
    text = (DOCS / "loops.md").read_text(encoding="utf-8")
    named = {
        name
        for listed in re.findall(r"[Ss]witch(?:es)? ((?:`\w+`(?:, | and )?)+)", text)
        for name in re.findall(r"`(\w+)`", listed)
    }
    assert named == set(Switches.model_fields) - OPTIONS


def test_every_directive_is_described() -> None:
    assert first_column(section("segment.md", "Directives")) == set(DIRECTIVES)


@pytest.mark.parametrize("action", ACTIONS)
def test_every_field_of_an_action_is_described(action: str) -> None:
    text = section("segment.md", action)
    fields = ACTIONS[action].fields
    assert first_column(text) == set(fields)
    for name, field in fields.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}`"))
        assert ("required" in row) == field.required, name


def test_the_triggers_shown_are_accepted() -> None:
    (shown,) = re.findall(r"```text\n(.*?)\n```", section("segment.md", "Triggers"), re.DOTALL)
    compile_trigger(shown)
    table = section("segment.md", "Triggers")
    conditions = re.findall(r"`((?:contains|match)\([^`]*\)|(?:properties|traits)\.\w+ [<>=!]+ [^`]+)`", table)
    assert len(conditions) >= 5
    for condition in conditions:
        compile_trigger(condition)
