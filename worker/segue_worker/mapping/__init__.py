"""Segment's mapping-kit and trigger languages, compiled once into plain functions, and the two Loops actions."""

from segue_worker.errors import MappingError, PayloadError, TriggerError
from segue_worker.mapping.compiled_mapping import CompiledMapping, compile_destination_mapping
from segue_worker.mapping.fields import ACTIONS, default_fields, unknown_fields
from segue_worker.mapping.integrations import lets_through
from segue_worker.mapping.request import Request, encode_body
from segue_worker.mapping.transform import compile_mapping
from segue_worker.mapping.trigger import Trigger, compile_trigger, point_out
from segue_worker.mapping.undefined import UNDEFINED

__all__ = [
    "ACTIONS",
    "UNDEFINED",
    "CompiledMapping",
    "MappingError",
    "PayloadError",
    "Request",
    "Trigger",
    "TriggerError",
    "compile_destination_mapping",
    "compile_mapping",
    "compile_trigger",
    "default_fields",
    "encode_body",
    "lets_through",
    "point_out",
    "unknown_fields",
]
