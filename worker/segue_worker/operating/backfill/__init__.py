"""Backfills: the events of a file, put into the outbox once."""

from segue_worker.operating.backfill.enqueueing import Backfill, LineTotals
from segue_worker.operating.backfill.reading import EventFile, FileRow
from segue_worker.operating.backfill.rows import Columns, ColumnsError

__all__ = ["Backfill", "Columns", "ColumnsError", "EventFile", "FileRow", "LineTotals"]
