"""Turns destinations that were exported from Segment, by its Public API or as Terraform, into a configuration."""

from segue_worker.segment_import.convert import Conversion, convert
from segue_worker.segment_import.export import Export, ExportError, read_export
from segue_worker.segment_import.write import write_config

__all__ = ["Conversion", "Export", "ExportError", "convert", "read_export", "write_config"]
