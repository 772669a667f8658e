"""The configuration: reads `segue.yaml` into typed values, or names every problem with file, line, path and reason."""

from segue_worker.config.cache import ConfigCache
from segue_worker.config.durations import duration_text, parse_duration
from segue_worker.config.files import read_bounded
from segue_worker.config.load import Inspection, inspect_config, load_config
from segue_worker.config.model import Config, DeadLetterLimits, Destination, RetryLimits, Source
from segue_worker.config.problems import Problem
from segue_worker.config.schema import MAX_MAPPINGS, json_schema

__all__ = [
    "MAX_MAPPINGS",
    "Config",
    "ConfigCache",
    "DeadLetterLimits",
    "Destination",
    "Inspection",
    "Problem",
    "RetryLimits",
    "Source",
    "duration_text",
    "inspect_config",
    "json_schema",
    "load_config",
    "parse_duration",
    "read_bounded",
]
