"""`segue check`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from segue_worker.cli import segue

ROOT = Path(__file__).parents[3]
ENVIRON = {"LOOPS_API_KEY": "sk-test-api-key", "SEGUE_WRITE_KEY": "test-write-key"}

BROKEN = (
    """\
destinations:
  - name: loops
    api_key: ${LOOPS_API_KEY}
    rate_limt: 10
    mappings:
"""
    + "".join(
        f'      - name: M{number}\n        action: sendEvent\n        trigger: type = "track"{" or and" if number == 7 else ""}\n'
        for number in range(51)
    )
    + """\
  - name: loops
    api_key: ${OTHER_API_KEY}
"""
)


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("SEGUE_CONFIG", "OTHER_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def check(*arguments: str) -> Result:
    return CliRunner().invoke(segue, ["check", *arguments], env=ENVIRON)


def test_every_problem_is_named_at_once_with_its_line() -> None:
    Path("segue.yaml").write_text(BROKEN, encoding="utf-8")
    result = check()
    assert result.exit_code == 2
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if not line.startswith(" ")]
    assert [line.partition(": ")[0] for line in lines] == [f"segue.yaml:{number}" for number in (4, 5, 29, 159, 160)]
    unknown, too_many, trigger, doubled, missing = (line.partition(": ")[2] for line in lines)
    assert unknown == 'destinations[0].rate_limt: unknown key "rate_limt"; did you mean rate_limit?'
    assert too_many == "destinations[0].mappings: 51 mappings, at most 50"
    assert trigger.startswith("destinations[0].mappings[7].trigger: ")
    assert doubled == 'destinations[1].name: duplicate name "loops": destinations[0].name on line 2 has the same'
    assert missing == "destinations[1].api_key: the environment variable OTHER_API_KEY is not set"
    assert result.stderr.count("\n    ") == 2
    assert ENVIRON["LOOPS_API_KEY"] not in result.output


def test_problems_are_data_in_json() -> None:
    Path("other.yaml").write_text(BROKEN, encoding="utf-8")
    result = check("--config", "other.yaml", "--json")
    assert (result.exit_code, result.stderr) == (2, "")
    said = json.loads(result.stdout)
    assert said["ok"] is False
    assert said["destinations"] == said["warnings"] == []
    assert said["problems"][1] == {
        "file": "other.yaml",
        "line": 5,
        "path": "destinations[0].mappings",
        "reason": "51 mappings, at most 50",
    }


def test_a_missing_file_is_a_problem_without_a_line() -> None:
    result = check("--json")
    assert result.exit_code == 2
    (problem,) = json.loads(result.stdout)["problems"]
    assert (problem["file"], problem["line"], problem["path"]) == ("segue.yaml", None, "")
    assert check().stderr.startswith("segue.yaml: there is no such file")


def test_a_good_configuration_is_summed_up() -> None:
    result = check("--config", str(ROOT / "segue.example.yaml"))
    assert result.exit_code == 0
    heading, *rows = result.stdout.splitlines()
    assert heading.split() == ["destination", "mapping", "action", "trigger"]
    assert rows[0].split() == ["loops", "Sync", "contacts", "createOrUpdateContact", "type", "=", '"identify"']
    assert "Contacts of the beta (off)" in rows[-1]
    assert result.stderr.endswith("1 destination, 5 mappings, no problems\n")
    assert not any(key in result.output for key in ENVIRON.values())


def test_a_good_configuration_is_data_in_json() -> None:
    Path("segue.yaml").write_text(
        "destinations:\n  - {name: a, api_key: '${LOOPS_API_KEY}', enabled: false, dedupe_window: 1h}\n",
        encoding="utf-8",
    )
    result = check("--json")
    assert (result.exit_code, result.stderr) == (0, "")
    said = json.loads(result.stdout)
    assert (said["ok"], said["problems"]) == (True, [])
    assert [(warning["line"], warning["path"]) for warning in said["warnings"]] == [
        (2, "destinations[0].dedupe_window")
    ]
    (destination,) = said["destinations"]
    assert destination["mappings"] == [
        {"name": "Sync contacts", "action": "createOrUpdateContact", "trigger": 'type = "identify"', "enabled": True},
        {"name": "Send events", "action": "sendEvent", "trigger": 'type = "track"', "enabled": True},
    ]
    assert ENVIRON["LOOPS_API_KEY"] not in result.output
    assert "warning: segue.yaml:2: destinations[0].dedupe_window" in check().stderr


def test_the_schema_needs_no_configuration() -> None:
    result = check("--schema")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["title"] == "segue.yaml"
