"""The shape of `segue.yaml`, as pydantic models.

The rest of Segue does not see these models, but the values of `segue_worker.config.model` that are made from them.
Rules that involve several keys are in `segue_worker.config.rules` and `segue_worker.config.credentials`.
"""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    field_validator,
)
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

from segue_producer.lanes import Lane
from segue_worker.config.durations import between, duration_text
from segue_worker.config.model import Coalesce
from segue_worker.mapping import ACTIONS
from segue_worker.mapping.fields import ActionName
from segue_worker.mapping.values import Values

MAX_MAPPINGS = 50
"""How many mappings a destination may have, which is Segment's limit too."""

DEFAULT_BASE_URL = "https://app.loops.so/api/v1"
_FROM_VARIABLE = {"type": "string", "pattern": r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$"}
_INTEGER = re.compile(r"\d{1,18}", re.ASCII)


def refuse(reason: str) -> PydanticCustomError:
    """Return the error for a validator to raise; `reason` is shown as it is."""
    return PydanticCustomError("segue", "{reason}", {"reason": reason})


def _integer(value: Any) -> Any:
    """Read a whole number from the text that a variable gave."""
    return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else value


def whole(least: int, most: int) -> tuple[BeforeValidator, Any, WithJsonSchema]:
    """Return what pydantic needs to read a whole number within limits (`Annotated[int, *whole(1, 32)]`)."""
    schema = {"anyOf": [{"type": "integer", "minimum": least, "maximum": most}, _FROM_VARIABLE]}
    return BeforeValidator(_integer), Field(ge=least, le=most), WithJsonSchema(schema)


def _boolean(value: Any) -> Any:
    """Read true or false from the text that a variable gave."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _base_url(value: str) -> str:
    try:
        url = TypeAdapter(HttpUrl).validate_python(value)
    except ValidationError:
        raise refuse(f"is not an http:// or https:// address, such as {DEFAULT_BASE_URL}") from None
    if url.username or url.password:
        raise refuse("must not hold a user name or password: the API key goes into `api_key`")
    if url.query is not None or url.fragment is not None:
        raise refuse("must end with the path: no `?` or `#`")
    return str(url).rstrip("/")


def _printable(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise refuse("must be one line of printable characters, without spaces at its ends")
    return value


Boolean = Annotated[bool, BeforeValidator(_boolean), WithJsonSchema({"anyOf": [{"type": "boolean"}, _FROM_VARIABLE]})]
DestinationName = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$")]
BaseUrl = Annotated[str, AfterValidator(_base_url), WithJsonSchema({"type": "string", "format": "uri"})]


class Shape(BaseModel):
    """The rules for all shapes: unknown keys are problems, nothing is converted silently, errors show no values."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _not_empty(cls, value: Any) -> Any:
        if value is None:
            raise refuse("is empty: write a value, or leave the key out")
        return value


def _fields_by_action() -> dict[str, Any]:
    """Return, for editors, a part of the schema that says which fields each action has."""

    def fields(action: str) -> dict[str, Any]:
        known = {name: {"description": field.title} for name, field in ACTIONS[action].fields.items()}
        segments = {
            "^(__segment_internal_|batch_|enable_batching$)": {"description": "Segment adds it; it does nothing."}
        }
        shape = {"properties": known, "patternProperties": segments, "additionalProperties": False}
        return {"properties": {"fields": shape}}

    return {
        "allOf": [{"if": {"properties": {"action": {"const": action}}}, "then": fields(action)} for action in ACTIONS]
    }


class MappingShape(Shape):
    """One mapping: which events (trigger) become which request (action) with which content (fields)."""

    model_config = ConfigDict(json_schema_extra=_fields_by_action())

    name: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)] = Field(
        description="Unique in its destination. It names the mapping in `segue preview` and `segue trace`."
    )
    action: ActionName = Field(description="The Loops request a matching event becomes.")
    trigger: str | None = Field(
        default=None,
        description='FQL, such as type = "track" and event = "Signed Up". The action\'s default when left out.',
    )
    enabled: Boolean = Field(default=True, description="A mapping that is not enabled sends nothing.")
    defaults: Boolean = Field(
        default=True, description="Start from the action's default fields; false: only the fields listed here."
    )
    max_wait: Annotated[timedelta, *between("0s", "365d")] | None = Field(
        default=None,
        description="An event whose turn comes later than this after it was enqueued becomes a dead letter; 0s: never. "
        "When left out, the destination's for sendEvent, and 0s for createOrUpdateContact.",
    )
    fields: dict[str, Any] = Field(
        default_factory=dict,
        description="The action's fields, each a value or a mapping-kit directive; null removes a default field. "
        "Without the userId, contacts are found by their email alone.",
    )


def default_mappings() -> list[MappingShape]:
    """Return the mappings of a destination that lists none: both actions, with default triggers and fields."""
    return [
        MappingShape(name="Sync contacts", action="createOrUpdateContact"),
        MappingShape(name="Send events", action="sendEvent"),
    ]


class RetryShape(Shape):
    """How long a request is retried before it becomes a dead letter."""

    max_age: Annotated[timedelta, *between("1s", "30d")] = Field(
        default=timedelta(hours=24),
        description="Counted from the first attempt; after it, the request is a dead letter.",
    )


class DeadLetterShape(Shape):
    """How many dead letters are kept, and for how long."""

    keep: Annotated[timedelta, *between("1m", "3650d")] = Field(
        default=timedelta(days=30), description="A dead letter that is older is deleted."
    )
    max: Annotated[int, *whole(1, 100_000_000)] = Field(
        default=100_000, description="Beyond this many, the oldest dead letters are deleted."
    )


class DestinationShape(Shape):
    """One Loops team: name, API key, limits and mappings.

    Without `mappings` it has two, one for each action, with their default triggers and fields.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["api_key"]}, {"required": ["api_key_file"]}]})

    name: DestinationName = Field(description="Lower case letters, digits, - and _.")
    api_key: SecretStr | None = Field(
        default=None, description="The Loops API key, best as ${VARIABLE}. Either this or `api_key_file`."
    )
    api_key_file: str | None = Field(
        default=None, description="A file that holds the Loops API key; relative to the configuration file."
    )
    base_url: BaseUrl = Field(default=DEFAULT_BASE_URL, description="Address of the Loops API.")
    enabled: Boolean = Field(
        default=True, description="A destination that is not enabled keeps its events and sends nothing."
    )
    rate_limit: Annotated[int, *whole(1, 10_000)] = Field(
        default=10,
        description="Requests in any one second, for the whole Loops team; the same at every destination with its API key.",
    )
    coalesce: Coalesce = Field(
        default="updates",
        description="Merge neighbouring contact updates of one contact; updates_into_events: also into the event that follows.",
    )
    values: Values = Field(
        default="repair",
        description="What Loops cannot hold: repaired or left out; refuse: a dead letter; keep: sent as Segment sends it.",
    )
    retry: RetryShape = Field(default_factory=RetryShape)
    dedupe_window: Annotated[timedelta, *between("1m", "365d")] = Field(
        default=timedelta(hours=24), description="For how long a messageId that comes again has no effect."
    )
    skip_unchanged: Annotated[timedelta, *between("0s", "30d")] = Field(
        default=timedelta(minutes=10),
        description="A contact update equal to the contact's last request is not sent again for this long; 0s: it "
        "is, and so it is where another destination has the same API key.",
    )
    max_wait: Annotated[timedelta, *between("0s", "365d")] = Field(
        default=timedelta(days=7),
        description="For mappings with the action sendEvent: an event whose turn comes later than this after it was "
        "enqueued becomes a dead letter; 0s: never.",
    )
    max_pending: Annotated[int, *whole(1, 1_000_000_000)] = Field(
        default=1_000_000, description="Events waiting at most; beyond, enqueuing is refused."
    )
    durability: Literal["normal", "replicated"] = Field(
        default="normal",
        description="replicated: enqueueing fails unless a replica of Redis has the event, too; producers heed it within 30 s.",
    )
    parallel_runs: Annotated[int, *whole(1, 32)] = Field(
        default=1, description="Runs at once: more than one only pays when Loops raised the team's limit."
    )
    timeout: Annotated[timedelta, *between("1s", "2m")] = Field(
        default=timedelta(seconds=10), description="How long one request may take."
    )
    dead_letter: DeadLetterShape = Field(default_factory=DeadLetterShape)
    mappings: list[MappingShape] = Field(
        default_factory=default_mappings,
        max_length=MAX_MAPPINGS,
        description=f"At most {MAX_MAPPINGS}; an empty list sends nothing.",
    )


class SourceShape(Shape):
    """One write key of the Tracking API, and the destinations its events go to."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["write_key"]}, {"required": ["write_key_file"]}]}
    )

    write_key: SecretStr | None = Field(
        default=None, description="The write key clients send, best as ${VARIABLE}. Either this or `write_key_file`."
    )
    write_key_file: str | None = Field(
        default=None, description="A file that holds the write key; relative to the configuration file."
    )
    destinations: Annotated[list[str], Field(min_length=1)] = Field(description="Names of destinations.")
    public: Boolean = Field(
        default=False,
        description="Whether the key stands in web pages, where everybody can read it: only identify and track are taken, "
        "and of what is no valid event only a little is kept as dead letters.",
    )
    lane: Lane | None = Field(
        default=None,
        description="bulk: what this source sends goes behind all that is live. Left out: bulk if it is public, else live.",
    )


class FileShape(Shape):
    """The configuration of Segue."""

    destinations: Annotated[list[DestinationShape], Field(min_length=1)] = Field(
        description="The Loops teams to deliver to."
    )
    sources: list[SourceShape] = Field(default_factory=list, description="Write keys of the Tracking API.")


class _ForEditors(GenerateJsonSchema):
    """Writes defaults as the file does, and leaves out null, because an empty value is a problem."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def encode_default(self, dft: Any) -> Any:
        return duration_text(dft) if isinstance(dft, timedelta) else super().encode_default(dft)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        outcome = super().default_schema(schema)
        if outcome.get("default", ...) is None:
            del outcome["default"]
        return outcome


def json_schema() -> dict[str, Any]:
    """Return a JSON Schema of the configuration file, which editors use for completion and checks."""
    schema = FileShape.model_json_schema(schema_generator=_ForEditors)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "segue.yaml"}
