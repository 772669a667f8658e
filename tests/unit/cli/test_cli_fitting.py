"""What fits a terminal, and what stays whole."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import click
import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from segue_worker.cli.fitting import fitted
from segue_worker.cli.log_options import moment_option
from segue_worker.cli.options import times_option
from segue_worker.cli.output import moment, moment_of
from segue_worker.cli.tables import table

WORDS = st.text("abc-:/0123456789日", min_size=1, max_size=30)
TEXTS = st.lists(WORDS, max_size=12).map(" ".join)


@given(st.lists(TEXTS, max_size=4).map("\n".join), st.integers(40, 120))
def test_a_line_fits_and_no_word_of_it_is_broken(text: str, width: int) -> None:
    lines = fitted(text, width).split("\n")
    assert all(cell_len(line) <= width for line in lines)
    assert [word for line in lines for word in line.split()] == text.split()


def test_an_id_longer_than_the_terminal_stays_whole_and_a_pipe_has_one_line() -> None:
    text = f"first  {'x' * 100} and more"
    assert f"{'x' * 100}" in fitted(text, 20).replace("\n", " ").split()
    assert fitted(text, None) == text


def test_what_follows_stands_below_the_text_of_its_line() -> None:
    assert fitted("  now  a few words that go on", 18) == "  now  a few words\n       that go on"


ROWS = st.lists(st.tuples(WORDS, TEXTS, TEXTS), max_size=4)
COLUMNS = ("id", "in flight", "what was wrong")


@given(ROWS, st.integers(40, 120))
@example([("00000000", "", 23 * "0")], 40)
def test_a_table_fits_and_breaks_no_word(rows: list[tuple[str, str, str]], width: int) -> None:
    lines = str(table(COLUMNS, rows, numbers=["in flight"], width=width)).split("\n")
    assert all(cell_len(line) <= width for line in lines)
    words = [word for line in lines for word in line.split()]
    for row in rows:
        assert all(word in words for cell in row for word in cell.split())


@given(ROWS)
def test_in_a_pipe_a_row_is_a_line(rows: list[tuple[str, str, str]]) -> None:
    head, *lines = str(table(COLUMNS, rows)).split("\n")
    assert head.split() == " ".join(COLUMNS).split()
    assert [line.split() for line in lines] == [" ".join(row).split() for row in rows]


def test_a_table_that_is_too_narrow_has_a_few_lines_for_each_row() -> None:
    rows = [("df9f4c0e74f14397a0789709c2a838bd", 3, ""), ("1e14397a0789709c2a838bddf9f4c0e7", 0, "refused by Loops")]
    assert str(table(COLUMNS, rows, width=40)).split("\n") == [
        *("df9f4c0e74f14397a0789709c2a838bd", "  in flight: 3"),
        *("1e14397a0789709c2a838bddf9f4c0e7", "  in flight: 0  what was wrong: refused", "  by Loops"),
    ]


@pytest.fixture
def in_kolkata(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@click.command
@times_option
@click.option("--since", "since_ms", callback=moment_option)
def ask(*, since_ms: int | None) -> None:
    shown = moment(1_700_000_000_123, precise=True), moment_of("2026-01-31T12:00:00Z"), since_ms
    click.echo(" ".join(map(str, shown)))


@pytest.mark.usefixtures("in_kolkata")
@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ([], "2023-11-15T03:43:20.123+05:30 2026-01-31T17:30:00+05:30"),
        (["--utc"], "2023-11-14T22:13:20.123Z 2026-01-31T12:00:00Z"),
    ],
)
def test_times_are_local_with_the_zone_and_can_be_copied_into_options(arguments: list[str], shown: str) -> None:
    assert CliRunner().invoke(ask, arguments).stdout == f"{shown} None\n"
    for text in shown.split():
        expected = int(datetime.fromisoformat(text).timestamp() * 1000)
        for options in ([*arguments, "--since", text], ["--since", text, *arguments]):
            assert CliRunner().invoke(ask, options).stdout.split()[-1] == str(expected)


@pytest.mark.usefixtures("in_kolkata")
def test_a_time_without_a_zone_is_in_that_of_the_times_shown() -> None:
    local, utc = (
        int(CliRunner().invoke(ask, [*arguments, "--since", "2026-01-31T12:00"]).stdout.split()[-1])
        for arguments in ([], ["--utc"])
    )
    assert utc == datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp() * 1000
    assert utc - local == 5.5 * 3600 * 1000
