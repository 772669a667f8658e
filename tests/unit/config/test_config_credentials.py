"""Keys come from the file, a variable or another file, and are never shown."""

from collections.abc import Callable
from pathlib import Path

import pytest

from segue_worker.config import Inspection, inspect_config

Found = Callable[..., list[tuple[int | None, str, str]]]
Inspect = Callable[..., Inspection]

SECRET = "sk-very-secret"  # noqa: S105 - an invented key, looked for in every message
HEAD = "destinations:\n  - name: loops\n    api_key: ${LOOPS_API_KEY}\n"


FIELDS = """\
destinations:
  - name: a
    api_key: k
    mappings:
      - name: a
        action: sendEvent
        fields:
          email: {'@json': {mode: '${KEY}', value: x}}
          userId: {'@merge': {direction: left, objects: [{'@json': {mode: 'x ${KEY}', value: x}}]}}
"""


def test_a_key_is_read_from_a_file_beside_the_configuration(inspect: Inspect, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"\n{SECRET}  \n", encoding="utf-8")
    text = "destinations:\n  - {name: a, api_key_file: key}\n  - {name: b, api_key_file: '${DIR}/key'}\n"
    config = inspect(f"{text}sources:\n  - {{write_key_file: key, destinations: [a]}}\n", DIR=str(tmp_path)).config
    assert config is not None
    assert [each.api_key.get_secret_value() for each in config.destinations] == [SECRET, SECRET]
    assert config.sources[0].write_key.get_secret_value() == SECRET
    assert SECRET not in repr(config)
    assert SECRET not in str(config)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "the file cannot be read: No such file or directory"),
        (b" \n", "the file is empty"),
        (
            b"two words",
            "the file holds text that is not a valid key: keys consist of ASCII letters, digits and signs, without spaces",
        ),
        (b"\xff\xfe", "the file is not UTF-8 text"),
        (b"x" * 20_000, "the file is too large for a key"),
    ],
)
def test_a_file_without_a_key_is_a_problem(found: Found, tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    assert found("destinations:\n  - name: a\n    api_key_file: key\n") == [(3, "destinations[0].api_key_file", reason)]


def test_a_directory_is_no_key_file(found: Found) -> None:
    problems = found("destinations:\n  - name: a\n    api_key_file: .\n")
    assert problems == [(3, "destinations[0].api_key_file", "the file cannot be read: Is a directory")]


@pytest.mark.parametrize(
    ("keys", "line", "path", "reason"),
    [
        ("", 2, "", 'missing key "api_key" (or "api_key_file")'),
        ("    api_key_file: f\n    api_key: k\n", 3, ".api_key_file", "cannot be given together with api_key: keep one of the two"),
        ("    api_key:\n", 3, ".api_key", "is empty: write a value, or leave the key out"),
        ("    api_key: ''\n", 3, ".api_key", "is empty"),
        ("    api_key: 17\n", 3, ".api_key", "needs text, not a number: put it in quotes"),
        (f"    api_key: {SECRET} x\n", 3, ".api_key",
         "is not a valid key: keys consist of ASCII letters, digits and signs, without spaces"),
        (f"    api_key: {SECRET}é\n", 3, ".api_key",
         "is not a valid key: keys consist of ASCII letters, digits and signs, without spaces"),
    ],
)  # fmt: skip
def test_a_destination_has_exactly_one_usable_key(found: Found, keys: str, line: int, path: str, reason: str) -> None:
    assert found(f"destinations:\n  - name: a\n{keys}") == [(line, f"destinations[0]{path}", reason)]


def test_write_keys_are_unique_and_fit_into_basic_authentication(found: Found, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET, encoding="utf-8")
    text = HEAD + (
        f"sources:\n  - {{write_key: {SECRET}, destinations: [loops]}}\n"
        "  - {write_key_file: key, destinations: [loops]}\n  - {write_key: 'a:b', destinations: [loops]}\n"
    )
    assert found(text) == [
        (6, "sources[1].write_key_file", "duplicate write key: sources[0].write_key on line 5 has the same"),
        (
            7,
            "sources[2].write_key",
            "is not a valid key: keys consist of ASCII letters, digits and signs, without spaces and colons",
        ),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "destinations:\n  - name: ${KEY}\n    api_key: ${KEY}\n  - name: ${KEY}\n    api_key: ${KEY}\n",
        "destinations:\n  - {name: a, api_key: ['${KEY}'], base_url: '${KEY}', coalesce: '${KEY}', timeout: '${KEY}'}\n",
        "destinations:\n  - {name: a, api_key_file: '${KEY}', enabled: '${KEY}', rate_limit: '${KEY}', retry: '${KEY}'}\n",
        "destinations:\n  - {name: a, api_key: k, base_url: 'https://u:${KEY}@h'}\nsources:\n  - {destinations: ['${KEY}']}\n",
        "destinations:\n  - {name: a, api_key: k, mappings: [{name: a, action: '${KEY}', fields: '${KEY}'}]}\n",
        "destinations:\n  - {name: a, api_key: k, mappings: [{name: a, action: sendEvent, trigger: 'type = ${KEY} ('}]}\n",
        FIELDS,
        f"destinations:\n  - {{name: a, api_kye: {SECRET}}}\n",
        f"destinations:\n  - name: a\n    api_key: {SECRET}: x\n",
        f"destinations:\n  - name: a\n    api_key: *{SECRET}\n",
        f"destinations:\n  - name: a\n    api_key: [{SECRET}\n",
    ],
)
def test_no_problem_shows_a_value_that_may_be_secret(inspect: Inspect, text: str) -> None:
    inspection = inspect(text, KEY=SECRET)
    assert inspection.problems
    assert all(SECRET not in str(problem) for problem in inspection.problems)


@pytest.mark.parametrize(
    ("source", "line", "reason"),
    [
        ("write_key: ${NOT_SET}", 5, "the environment variable NOT_SET is not set"),
        ("write_key: '${EMPTY}'", 5, "is empty"),
        ("write_key_file: nowhere", 5, "the file cannot be read: No such file or directory"),
    ],
)
def test_a_missing_write_key_matters_only_to_who_serves_it(
    inspect: Inspect, tmp_path: Path, source: str, line: int, reason: str
) -> None:
    text = (
        f"{HEAD}sources:\n  - {source}\n    destinations: [loops]\n  - {{write_key: {SECRET}, destinations: [loops]}}\n"
    )
    inspection = inspect(text, EMPTY="")
    assert inspection.config is not None
    assert [source.write_key.get_secret_value() for source in inspection.config.sources] == [SECRET]
    (warning,) = inspection.warnings
    assert (warning.line, warning.reason) == (line, f"{reason}; `segue tracking-api` needs it, nothing else does")
    serving = inspect_config(tmp_path / "segue.yaml", {"LOOPS_API_KEY": "k", "EMPTY": ""}, serving=True)
    (problem,) = serving.problems
    assert (problem.line, problem.path, problem.reason) == (line, warning.path, reason)


@pytest.mark.parametrize(
    "source", ["write_key: two words", "write_key: k\n    destinations: [elsewhere]", "destinations: [loops]"]
)
def test_a_source_that_is_wrong_is_a_problem_to_everybody(found: Found, source: str) -> None:
    assert found(f"{HEAD}sources:\n  - {source}\n" + ("" if "dest" in source else "    destinations: [loops]\n"))
