"""Prints the demo: its chapters, what Loops received, what became of each event, and a summary."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from segue_sandbox.demo.scenario import RATE_LIMIT, Chapter
from segue_sandbox.demo.verdicts import EventFate, PlayedChapter
from segue_sandbox.ledger import RequestRecord
from segue_sandbox.views import Summary

_ROWS: Final = 8
_FIRST: Final = 2
_COLOURS: Final = {"delivered": "green", "merged": "green", "duplicate": "yellow", "dead": "red", "unknown": "red"}


class Report:
    """Prints the demo.

    Args:
        console: where to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._number = 0
        self._began: float | None = None

    def say(self, line: str = "", style: str = "") -> None:
        """Print a line as it is."""
        self._console.print(Text(line, style))

    def heading(self, chapter: Chapter) -> None:
        """Print what the next chapter is about."""
        self._number += 1
        self._console.print()
        self._console.rule(Text(f"{self._number}. {chapter.title}", "bold"), align="left")
        self._console.print(Text(chapter.text))

    def outcome(self, outcome: PlayedChapter) -> None:
        """Print what Loops received, and what became of the chapter's events."""
        if self._began is None:
            self._began = min((record["at"] for record in outcome.records), default=0.0)
        self._print(self._received(outcome.records, self._began))
        self._print(_became(outcome))
        for problem in outcome.problems:
            self._console.print(Text(f"not as promised: {problem}", "bold red"))

    def summary(self, outcomes: Sequence[PlayedChapter], summary: Summary, problems: Sequence[str]) -> None:
        """Print the sum of the demo, and whether every promise was kept."""
        self._console.print()
        self._console.rule(Text("In all", "bold"), align="left")
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right", style="bold")
        for figure, meaning in _figures(outcomes, summary):
            table.add_row(str(figure), meaning)
        self._print(table)
        if not problems:
            self.say(
                "\nEvery event was delivered once and in order, or is explained. All of it was checked.", "bold green"
            )

    def _print(self, table: Table) -> None:
        self._console.print(Padding(table, (1, 0, 0, 2)))

    @staticmethod
    def _received(records: Sequence[RequestRecord], began: float) -> Table:
        table = _table("at", "Loops received", "", "answer")
        for item in _abridged(records, [record["status"] != 200 for record in records]):  # noqa: PLR2004 - OK
            if isinstance(item, int):
                table.add_row("…", "", Text(f"{item} more like these", "dim"), Text("200", "dim"))
                continue
            good = item["applied"]
            table.add_row(
                f"{item['at'] - began:.2f} s",
                f"{item['method']} {item['path']}",
                Text(_json(item["body"]), "dim"),
                Text(_answer(item), "green" if good else "red"),
            )
        return table


def _table(*columns: str) -> Table:
    """A table as wide as the console. Its unnamed column holds JSON, which is cut off; `became` holds sentences."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim", expand=True)
    for column in columns:
        if column == "became":
            table.add_column(column, ratio=1)
        else:
            table.add_column(column, ratio=None if column else 1, no_wrap=True, overflow="ellipsis")
    return table


def _became(outcome: PlayedChapter) -> Table:
    table = _table("event", "", "became")
    rows = [(planned.event, fate) for planned, fate in zip(outcome.chapter.planned, outcome.fates, strict=True)]
    shared = sum(fate.kind == "merged" for fate in outcome.fates)
    usual = rows[0][1].kind
    for item in _abridged(rows, [fate.kind != usual or fate.attempts > 1 for _, fate in rows]):
        if isinstance(item, int):
            table.add_row("…", Text(f"{item} more like these", "dim"), "")
        else:
            event, fate = item
            table.add_row(f"{event['type']} {event['userId']}", Text(_said(event), "dim"), _fate(fate, shared))
    return table


def _abridged(rows: Sequence[Any], remarkable: Sequence[bool]) -> Iterable[Any]:
    """The rows, or of many the first and the remarkable ones, with the number left out in place of the others."""
    if len(rows) <= _ROWS:
        yield from rows
        return
    yield from rows[:_FIRST]
    skipped = 0
    for place in range(_FIRST, len(rows)):
        if remarkable[place]:
            if skipped:
                yield skipped
            skipped = 0
            yield rows[place]
        else:
            skipped += 1
    if skipped:
        yield skipped


def _said(event: Mapping[str, Any]) -> str:
    if event["type"] == "identify":
        return _json(event["traits"])
    return f'"{event["event"]}" {_json(event["properties"])}'


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _answer(record: RequestRecord) -> str:
    return "none" if record["status"] is None else f"{record['status']}{' (injected)' if record['fault'] else ''}"


def _fate(fate: EventFate, shared: int) -> Text:
    words = {
        "delivered": "delivered",
        "merged": f"delivered: {shared} in one request",
        "duplicate": "dropped: a duplicate",
        "dead": f"dead letter: {fate.reason}",
        "unknown": "unknown",
    }
    retries = fate.attempts - 1
    again = f" after {retries} {'retry' if retries == 1 else 'retries'}" if fate.kind == "delivered" and retries else ""
    return Text(words[fate.kind] + again, _COLOURS[fate.kind])


def _figures(outcomes: Sequence[PlayedChapter], summary: Summary) -> Iterable[tuple[int, str]]:
    fates = [fate for outcome in outcomes for fate in outcome.fates]
    merged = [fate for fate in fates if fate.kind == "merged"]
    requests = len({id(fate.sending) for fate in merged})
    dead = sum(fate.kind == "dead" for fate in fates)
    yield len(fates), "events enqueued"
    yield summary["received"], f"requests sent, of which {summary['applied']} took effect"
    yield len(merged) - requests, "requests saved by merging updates"
    yield sum(fate.kind == "duplicate" for fate in fates), "requests saved by dropping duplicates"
    yield summary["by_status"].get("429", 0), "answers 429 (injected here: Segue keeps below the limit by itself)"
    yield summary["max_received_per_second"], f"requests in the busiest second; the limit is {RATE_LIMIT}"
    yield dead, "dead letter, kept with its reason" if dead == 1 else "dead letters, kept with their reasons"
