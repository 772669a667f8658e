"""Every switch of the sandbox, with its default and its meaning (docs/loops.md).

A switch exists where Loops documents nothing. A client has to work with each of its values.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from segue_producer.errors import SegueError


class SwitchError(SegueError):
    """A switch has no such name or no such value. The message names every problem."""


def _status_text(value: object) -> object:
    """400 as a number means the same as "400": JSON and YAML writers leave the quotes out."""
    return str(value) if value == 400 and not isinstance(value, bool) else value  # noqa: PLR2004  the status itself


_text = BeforeValidator(_status_text)


class Switches(BaseModel):
    """The sandbox's behaviour where it can be chosen. Assignments are checked like construction."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    rate_limit: int = Field(10, ge=1, description="requests in any one second for the whole team")
    window: Literal["sliding", "fixed"] = Field("sliding", description="any second, or the clock's seconds")
    rejected_use_quota: bool = Field(False, description="a 429 itself counts against the limit")
    drain: int = Field(0, ge=0, description="requests per second taken by other senders of the team")
    rate_headers_without_team: bool = Field(False, description="x-ratelimit-* on 401 and unknown paths too")
    body_429: Literal["json", "text", "empty"] = Field("json", description="body of a 429")
    retry_after_429: Literal["none", "seconds", "date"] = Field("none", description="Retry-After of a 429")

    post_update_ok: bool = Field(True, description="POST /contacts/update works like PUT; off: 405")
    legacy_error_keys: bool = Field(False, description="errors repeat their text in the deprecated `error`")

    max_body_bytes: int = Field(1_048_576, ge=1, description="a longer body is answered 413")
    numeric_user_id: Literal["reject", "accept"] = Field("reject", description="a number as userId")
    email_matching: Literal["folded", "exact"] = Field(
        "folded", description="folded trims addresses and ignores case when matching; exact does neither"
    )
    reserved_keys: Annotated[Literal["ignore", "400"], _text] = Field(
        "ignore", description="id, listId, softDeleteAt, teamId, updatedAt as a property"
    )

    unknown_property: Literal["create", "ignore"] = Field("create", description="a property not yet defined")
    type_clash: Annotated[Literal["400", "ignore", "coerce"], _text] = Field(
        "400", description="a value of another type than its contact property has"
    )
    nested_value: Annotated[Literal["400", "ignore", "stringify"], _text] = Field(
        "400", description="an object or array as a property's value"
    )

    list_value: Annotated[Literal["400", "coerce"], _text] = Field(
        "400", description='a mailingLists value that is no boolean; coerce takes "true" and "false"'
    )
    undefined_event_property: Literal["define", "ignore"] = Field(
        "define", description="a property that the event did not have before becomes one of the event's, or not"
    )
    unknown_list: Annotated[Literal["400", "ignore"], _text] = Field("400", description="no list has that id")
    add_unsubscribed: Annotated[Literal["ignore", "400"], _text] = Field(
        "ignore", description="adding an unsubscribed contact to a list"
    )
    add_after_leaving: Annotated[Literal["ignore", "400"], _text] = Field(
        "ignore", description="adding somebody who left the list in the Preference Center"
    )

    colon_in_event_name: Annotated[Literal["accept", "400"], _text] = Field(
        "accept", description="a new event name with a colon"
    )
    text_409_key: Literal["key", "different_body", "processed"] = Field(
        "key", description="which of the known texts a used idempotency key is answered with"
    )
    key_spent_on: Literal["success", "any_authenticated"] = Field(
        "success",
        description="what uses up an idempotency key: an accepted event, or any attempt (also 400, 500)",
    )
    concurrent_key: Literal["conflict", "wait"] = Field(
        "conflict",
        description="two requests at once with one key: the second gets 409 at once, or after the first",
    )

    webhook_platform: Literal["text", "none"] = Field(
        "text",
        description='incomingWebhookPlatform of an event of the API: the text "null", which the OpenAPI file lists, or null',
    )
    text_409_create: Literal["on_list", "already_exists"] = Field(
        "on_list", description="which text creating an existing contact is answered with"
    )
    delete_user_id_array: Annotated[Literal["400", "first"], _text] = Field(
        "400", description="userId as an array on contacts/delete; first takes its first element"
    )

    latency_ms: float = Field(0, ge=0, description="every answer comes this long after its request")
    fail: float = Field(0, ge=0, le=1, description="share of requests that fail at random, over all kinds of fault")

    def changed(self, changes: dict[str, Any]) -> Self:
        """A copy with `changes` (name to value; values may be text) made.

        Raises:
            SwitchError: a name or value is unknown; nothing is changed then.
        """
        try:
            return type(self).model_validate({**self.model_dump(), **changes})
        except ValidationError as error:
            raise SwitchError("; ".join(_problems(error))) from None


def parse_assignments(assignments: Iterable[str]) -> dict[str, str]:
    """`NAME=VALUE` texts as a mapping, as `--switch` takes them.

    Raises:
        SwitchError: a text has no `=`.
    """
    pairs = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals:
            raise SwitchError(f"{text}: write NAME=VALUE, for instance unknown_list=ignore")
        pairs[name.strip().replace("-", "_")] = value.strip()
    return pairs


def _problems(error: ValidationError) -> Iterable[str]:
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            yield f"{name}: no such switch; known are {', '.join(sorted(Switches.model_fields))}"
        else:
            yield f"{name}: {problem['msg']}"
