"""Rules that involve several keys, such as unique names and names that must exist, and what is worth a warning.

The rules look at the plain data, so that each is checked whatever else is wrong with the file.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import SecretStr

from segue_worker.config.document import Document
from segue_worker.config.problems import Findings, Where, key_text, path_text
from segue_worker.config.pydantic_errors import nearest
from segue_worker.config.schema import FileShape, MappingShape
from segue_worker.mapping import ACTIONS, default_fields
from segue_worker.mapping.coercion import ValueRefused, compile_coercion
from segue_worker.mapping.compiler import is_directive
from segue_worker.mapping.fields import finds_by_email

_DAY_S = 24 * 3600
_CHOICES = ("true", "false")


def entries(data: Any, key: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the members of the list at `key` that are objects, with their positions; none if there is no such list."""
    members = data.get(key) if isinstance(data, dict) else None
    for index, member in enumerate(members if isinstance(members, list) else []):
        if isinstance(member, dict):
            yield index, member


def check_names(document: Document) -> None:
    """Check that names are unique, and that sources name destinations that exist."""
    destinations = list(entries(document.data, "destinations"))
    check_unique(
        document, "name", [(("destinations", index, "name"), each.get("name")) for index, each in destinations]
    )
    for index, destination in destinations:
        mappings: Where = ("destinations", index, "mappings")
        named = [((*mappings, at, "name"), each.get("name")) for at, each in entries(destination, "mappings")]
        check_unique(document, "name", named)
    known = [name for _, each in destinations if isinstance(name := each.get("name"), str)]
    for index, source in entries(document.data, "sources"):
        targets = source.get("destinations")
        path: Where = ("sources", index, "destinations")
        found = [((*path, at), name) for at, name in enumerate(targets if isinstance(targets, list) else [])]
        check_unique(document, "destination", found)
        for where, name in found:
            if isinstance(name, str) and name not in known:
                document.findings.problem(where, f"no destination has this name{nearest(name, known)}")


def check_unique(document: Document, what: str, found: Iterable[tuple[Where, Any]], *, secret: bool = False) -> None:
    """Report each text that occurs a second time. It is quoted unless it is secret or came from a variable."""
    first: dict[str, Where] = {}
    for where, value in found:
        if not isinstance(value, str):
            continue
        earlier = first.setdefault(value, where)
        if earlier is not where:
            quoted = "" if secret or document.replaced.keys() & {where, earlier} else f" {key_text(value)}"
            line = document.findings.line_of(earlier)
            document.findings.problem(
                where, f"duplicate {what}{quoted}: {path_text(earlier)} on line {line} has the same"
            )


def check_limits(shape: FileShape, secrets: dict[Where, SecretStr], findings: Findings) -> None:
    """Check that destinations with the same API key have the same limit, which is that of the team at Loops."""
    teams: dict[str, tuple[str, int]] = {}
    for index, destination in enumerate(shape.destinations):
        where: Where = ("destinations", index)
        if where not in secrets:
            continue
        name, limit = teams.setdefault(secrets[where].get_secret_value(), (destination.name, destination.rate_limit))
        if limit != destination.rate_limit:
            findings.problem(
                (*where, "rate_limit"),
                f"is {destination.rate_limit}, and {limit} at {name}, which has the same API key: Loops limits the team "
                "as a whole, so write the same at both",
            )


def warn(shape: FileShape, findings: Findings) -> None:
    """Warn of what is allowed but probably not meant."""
    for index, destination in enumerate(shape.destinations):
        where: Where = ("destinations", index)
        if destination.retry.max_age.total_seconds() > _DAY_S:
            findings.warn(
                (*where, "retry", "max_age"),
                "Loops forgets Idempotency-Keys after 24h: a later attempt may take effect twice",
            )
        if destination.dedupe_window.total_seconds() < _DAY_S:
            findings.warn(
                (*where, "dedupe_window"), "less than 24h: an event sent again later than that takes effect twice"
            )
        if not destination.mappings:
            findings.warn((*where, "mappings"), "no mappings: this destination sends nothing")
        for at, mapping in enumerate(destination.mappings):
            for field in _never_given(mapping):
                findings.warn(
                    (*where, "mappings", at),
                    f"{mapping.action} needs {field}, which this mapping does not set: it never sends anything",
                )
            for inner, reason in (*_always_refused(mapping), *_never_chosen(mapping)):
                findings.warn((*where, "mappings", at, "fields", *inner), reason)
        if _in_clear(destination.base_url):
            findings.warn((*where, "base_url"), "the API key is sent over the network unencrypted: use https")


def _never_given(mapping: MappingShape) -> list[str]:
    """Return the fields that an action needs and the mapping leaves out or removes."""
    action = ACTIONS[mapping.action]
    given = {**default_fields(action.name), **mapping.fields} if mapping.defaults else mapping.fields
    needed = {name for name, field in action.fields.items() if field.required}
    if finds_by_email(mapping.fields, given):
        needed.remove("userId")
    return [name for name in action.fields if name in needed and given.get(name) in (None, "")]


def _always_refused(mapping: MappingShape) -> Iterator[tuple[Where, str]]:
    """Yield the fields whose value is spelled out, and is none that the action takes."""
    for name, value in mapping.fields.items():
        field = ACTIONS[mapping.action].fields.get(name)
        if field is None or value in (None, "") or _depends_on_the_event(value):
            continue
        try:
            compile_coercion(field)(value)
        except ValueRefused as refused:
            hint = " (write true or false)" if field.type == "boolean" else ""
            yield (name,), f"{str(refused).removesuffix('.')}{hint}: this mapping never sends anything"


def _never_chosen(mapping: MappingShape) -> Iterator[tuple[Where, str]]:
    """Yield the choices of mailing lists that are spelled out, and are neither true nor false."""
    attributes = mapping.fields.get("customAttributes")
    for path, parent in ((), mapping.fields), (("customAttributes",), attributes):
        lists = parent.get("mailingLists") if isinstance(parent, dict) else None
        choices: Iterable[tuple[str | int, Any]] = ()
        if isinstance(lists, dict) and not is_directive(lists):
            choices = lists.items()
        elif isinstance(lists, list):
            choices = [(at, each.get("subscribed")) for at, each in enumerate(lists) if isinstance(each, dict)]
        for key, choice in choices:
            if not (choice is None or isinstance(choice, bool) or choice in _CHOICES or _depends_on_the_event(choice)):
                yield (*path, "mailingLists", key), "is neither true nor false: no request ever names this list"


def _depends_on_the_event(value: Any) -> bool:
    if isinstance(value, dict):
        return is_directive(value) or any(map(_depends_on_the_event, value.values()))
    return isinstance(value, list) and any(map(_depends_on_the_event, value))


def _in_clear(url: str) -> bool:
    """Tell whether a URL leads out unencrypted. A name without a dot is taken for a neighbour, as in Compose."""
    host = url.removeprefix("http://").partition("/")[0]
    return url.startswith("http://") and "." in host and not host.startswith("127.")
