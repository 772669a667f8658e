"""Reads `segue.yaml`: either the whole configuration, or every problem that it has."""

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path

from pydantic import SecretStr

from segue_worker.config.credentials import key_files, read_credentials
from segue_worker.config.document import read_document
from segue_worker.config.mappings import check_mappings, compiled
from segue_worker.config.model import Config, DeadLetterLimits, Destination, RetryLimits, Source
from segue_worker.config.problems import Problem, Where
from segue_worker.config.rules import check_limits, check_names, warn
from segue_worker.config.schema import DestinationShape, FileShape
from segue_worker.config.validation import validate
from segue_worker.config.yaml_tree import DocumentError
from segue_worker.errors import ConfigError
from segue_worker.mapping import CompiledMapping

DEFAULT_PATH = "segue.yaml"


@dataclass(frozen=True, slots=True)
class Inspection:
    """What reading a configuration found.

    Attributes:
        config: the configuration, or None if it has problems.
        problems: what must be corrected, in the order of the file.
        warnings: what is allowed but probably not meant, in the order of the file.
        files: what was read, or was to be: the file itself, and those that it names for keys.
    """

    config: Config | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    files: tuple[Path, ...]


def load_config(
    path: Path | str | None = None, environ: Mapping[str, str] | None = None, *, serving: bool = False
) -> Config:
    """Read the configuration.

    Args:
        path: the file; by default the one that `SEGUE_CONFIG` names, otherwise `segue.yaml`.
        environ: the environment variables that `${NAME}` refers to; by default those of the process.
        serving: whether the caller serves `sources`, and therefore needs their write keys. For other callers a missing
            one (a variable that is unset or empty, a missing file) is only a warning, and its source is left out.

    Raises:
        ConfigError: the configuration has problems. The message names all of them.
    """
    inspection = inspect_config(path, environ, serving=serving)
    if inspection.config is None:
        raise ConfigError(tuple(str(problem) for problem in inspection.problems))
    return inspection.config


def inspect_config(
    path: Path | str | None = None, environ: Mapping[str, str] | None = None, *, serving: bool = False
) -> Inspection:
    """Read the configuration as `load_config` does, but return its problems and warnings instead of raising."""
    variables = os.environ if environ is None else environ
    file = Path(path or variables.get("SEGUE_CONFIG") or DEFAULT_PATH)
    try:
        document = read_document(file, variables, serving=serving)
    except DocumentError as error:
        return Inspection(None, (Problem(str(file), error.line, "", error.reason),), (), (file,))
    shape = validate(document)
    check_names(document)
    check_mappings(document)
    credentials = read_credentials(document, file.parent)
    files = (file, *key_files(document, file.parent))
    if shape is not None:
        check_limits(shape, credentials, document.findings)
    if shape is None or document.findings.problems:
        return Inspection(None, document.findings.problems, (), files)
    warn(shape, document.findings)
    warnings = document.findings.warnings
    destinations = [
        _destination(each, credentials["destinations", index], compiled(each, index, document))
        for index, each in enumerate(shape.destinations)
    ]
    users = Counter(each.api_key for each in destinations if each.enabled)
    config = Config(
        path=file,
        # What another destination of the team changes of a contact is not known: each update must be sent.
        destinations=tuple(
            replace(each, skip_unchanged=timedelta()) if users[each.api_key] > 1 else each for each in destinations
        ),
        sources=tuple(
            Source(
                write_key=credentials["sources", index],
                destinations=tuple(each.destinations),
                lane=each.lane or ("bulk" if each.public else "live"),
                public=each.public,
            )
            for index, each in enumerate(shape.sources)
            if ("sources", index) in credentials
        ),
        warnings=tuple(str(warning) for warning in warnings),
        version=_version(shape, credentials),
    )
    return Inspection(config, (), warnings, files)


def _version(shape: FileShape, credentials: Mapping[Where, SecretStr]) -> str:
    """Of what workers go by; where a key is read from makes no difference, nor do sources, which are not theirs."""
    keys = [credentials["destinations", index].get_secret_value() for index in range(len(shape.destinations))]
    settings = [each.model_dump(mode="json", exclude={"api_key", "api_key_file"}) for each in shape.destinations]
    text = json.dumps([settings, keys])
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def _destination(shape: DestinationShape, api_key: SecretStr, mappings: tuple[CompiledMapping, ...]) -> Destination:
    return Destination(
        name=shape.name,
        api_key=api_key,
        base_url=shape.base_url,
        enabled=shape.enabled,
        rate_limit=shape.rate_limit,
        coalesce=shape.coalesce,
        values=shape.values,
        retry=RetryLimits(max_age=shape.retry.max_age),
        dedupe_window=shape.dedupe_window,
        max_pending=shape.max_pending,
        replicated=shape.durability == "replicated",
        parallel_runs=shape.parallel_runs,
        timeout=shape.timeout,
        dead_letter=DeadLetterLimits(keep=shape.dead_letter.keep, max=shape.dead_letter.max),
        mappings=mappings,
        skip_unchanged=shape.skip_unchanged,
    )
