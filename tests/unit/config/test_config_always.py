"""What holds for every file."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segue_worker.config import json_schema, load_config
from segue_worker.errors import ConfigError

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "segue.example.yaml"
ENVIRON = {"LOOPS_API_KEY": "test-api-key", "SEGUE_WRITE_KEY": "test-write-key"}

WORDS = [
    *("destinations", "sources", "name", "api_key", "api_key_file", "mappings", "action", "trigger", "fields", "retry"),
    *(
        "max_age",
        "sendEvent",
        "createOrUpdateContact",
        "loops",
        "off",
        "24h",
        "@path",
        "@if",
        "$.x",
        "${LOOPS_API_KEY}",
    ),
    *(
        "${NO}",
        "type = 'track'",
        "defaults",
        "enabled",
        "write_key",
        "base_url",
        "https://h",
        "email",
        "customAttributes",
    ),
]
TOKENS = [
    "\n",
    "\n  ",
    "\n    - ",
    ": ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    "&a ",
    "*a",
    "!t ",
    "|\n",
    "'",
    '"',
    "#",
    "---\n",
    "<<: ",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=20,
)


def loads_or_refuses(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    try:
        load_config(file, ENVIRON)
        problems: tuple[str, ...] = (f"{file}: none",)
    except ConfigError as refused:
        problems = refused.problems
    assert problems
    assert all(problem.startswith(f"{file}:") for problem in problems)
    assert "test-api-key" not in "".join(problems)


@pytest.fixture(scope="module", name="file")
def _file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("always") / "segue.yaml"


ALWAYS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@ALWAYS
@given(content=st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_loaded_or_refused_with_problems(file: Path, content: bytes) -> None:
    loads_or_refuses(file, content)


@ALWAYS
@given(tokens=st.lists(st.sampled_from(WORDS + TOKENS), max_size=40))
def test_any_yaml_is_loaded_or_refused_with_problems(file: Path, tokens: list[str]) -> None:
    loads_or_refuses(file, "".join(tokens).encode())


@ALWAYS
@given(
    data=st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=4), destination=VALUES, mapping=VALUES, trigger=VALUES
)
def test_any_data_is_loaded_or_refused_with_problems(
    file: Path, data: dict[str, Any], destination: Any, mapping: Any, trigger: Any
) -> None:
    mappings = [mapping, {"name": "A", "action": "sendEvent", "trigger": trigger, "fields": mapping}]
    entry = destination if isinstance(destination, dict) else {"name": destination}
    data["destinations"] = [destination, {"api_key": "k", **entry, "mappings": mappings}]
    loads_or_refuses(file, json.dumps(data).encode())


def test_the_example_is_loaded_without_a_warning() -> None:
    config = load_config(EXAMPLE, ENVIRON)
    assert [destination.name for destination in config.destinations] == ["loops"]
    assert [source.destinations for source in config.sources] == [("loops",)]
    assert config.warnings == ()


def test_fifty_mappings_load_at_once(file: Path) -> None:
    mapping = (
        '      - name: M{0}\n        action: sendEvent\n        trigger: type = "track" and event = "E{0}"\n        fields:\n'
        "          eventProperties: {{'@path': $.properties}}\n          contactProperties: {{a: {{'@template': '{{{{userId}}}}'}}}}\n"
    )
    text = "destinations:\n  - name: loops\n    api_key: k\n    mappings:\n" + "".join(map(mapping.format, range(50)))
    file.write_text(text, encoding="utf-8")
    started = time.process_time()
    assert len(load_config(file, {}).destinations[0].mappings) == 50
    assert time.process_time() - started < 5


def test_the_json_schema_knows_the_keys_and_defaults_of_the_file() -> None:
    schema = json_schema()
    assert schema == json.loads(json.dumps(schema))
    destination = schema["$defs"]["DestinationShape"]
    assert destination["required"] == ["name"]
    assert destination["additionalProperties"] is False
    assert destination["properties"]["mappings"]["maxItems"] == 50
    assert destination["properties"]["dedupe_window"]["default"] == "24h"
    assert destination["properties"]["coalesce"]["enum"] == ["off", "updates", "updates_into_events"]
    assert not {'"null"', ": null"} & set(re.findall(r'"null"|: null', json.dumps(schema)))
    fields = schema["$defs"]["MappingShape"]["allOf"][1]["then"]["properties"]["fields"]
    assert "eventProperties" in fields["properties"]
