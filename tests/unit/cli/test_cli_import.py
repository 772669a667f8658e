"""`segue import`."""

import errno
import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from segue_worker.cli import segue

SUBSCRIPTION = {
    "id": "s1",
    "name": "Contacts",
    "actionId": "a1",
    "actionSlug": "createOrUpdateContact",
    "destinationId": "d1",
    "enabled": True,
    "trigger": 'type = "identify"',
    "settings": {"userId": {"@path": "$.userId"}},
}
REFUSED = {**SUBSCRIPTION, "id": "s2", "name": "Refused", "trigger": "type = 'track'"}


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.json").write_text(json.dumps({"data": {"subscriptions": [SUBSCRIPTION]}}), encoding="utf-8")
    Path("mixed.json").write_text(json.dumps({"data": {"subscriptions": [SUBSCRIPTION, REFUSED]}}), encoding="utf-8")


def run(*arguments: str, text: str = "") -> Result:
    return CliRunner().invoke(segue, [*arguments], input=text, env={"LOOPS_API_KEY": "test-api-key"})


def test_what_it_writes_passes_the_check() -> None:
    result = run("import", "good.json", "--output", "segue.yaml")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "loops: 1 of 1 mapping carried over; put the API key into LOOPS_API_KEY\n"
    checked = run("check", "--config", "segue.yaml", "--json")
    assert checked.exit_code == 0
    assert json.loads(checked.stdout)["destinations"][0]["mappings"][0]["name"] == "Contacts"


def test_without_output_it_goes_to_stdout_and_stdin_is_a_file() -> None:
    direct = run("import", "good.json")
    assert direct.exit_code == 0
    assert direct.stdout.startswith("# Imported from Segment.")
    assert run("import", "-", text=Path("good.json").read_text(encoding="utf-8")).stdout == direct.stdout


def test_what_could_not_be_carried_over_is_named_and_the_rest_written() -> None:
    result = run("import", "mixed.json", "--output", "segue.yaml")
    assert result.exit_code == 1
    assert "loops: mapping \"Refused\": trigger:\n    type = 'track'\n           ^\n" in result.stderr
    assert "loops: 1 of 2 mappings carried over" in result.stderr
    assert run("check", "--config", "segue.yaml").exit_code == 0
    assert "# - name: Refused" in Path("segue.yaml").read_text(encoding="utf-8")


def test_a_file_is_never_written_over() -> None:
    Path("segue.yaml").write_text("mine", encoding="utf-8")
    result = run("import", "good.json", "--output", "segue.yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "segue.yaml exists" in result.stderr
    assert Path("segue.yaml").read_text(encoding="utf-8") == "mine"


def test_an_output_that_warns_or_cannot_be_loaded_says_so() -> None:
    deep: object = 1
    for _ in range(80):
        deep = [deep]
    deep_settings = {"userId": "u", "customAttributes": {"x": deep}}
    text = json.dumps({"subscriptions": [{**SUBSCRIPTION, "settings": deep_settings}]})
    result = run("import", "-", "--output", "segue.yaml", text=text)
    assert result.exit_code == 1
    assert "segue.yaml:" in result.stderr
    warned = run("import", "-", "--output", "w.yaml", text=json.dumps([{**SUBSCRIPTION, "settings": {}}]))
    assert warned.exit_code == 0
    assert "warning: w.yaml:" in warned.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe{\x00", "not valid UTF-8"),
        (b"{}", "no Loops destination found"),
        (b"nothing like it", "neither JSON nor an export"),
    ],
)
def test_unusable_input_is_refused(content: bytes, said: str) -> None:
    Path("bad").write_bytes(content)
    result = run("import", "bad", "--output", "segue.yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert not Path("segue.yaml").exists()


def test_a_file_that_cannot_be_read_is_a_line() -> None:
    result = run("import", "/proc/self/mem")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "/proc/self/mem cannot be read: Input/output error; name another file\n"


def test_an_output_that_cannot_be_written_is_a_line() -> None:
    result = run("import", "good.json", "--output", "missing/segue.yaml")
    assert result.exit_code == 1
    assert "missing/segue.yaml: No such file or directory. Correct that" in result.stderr


def test_bad_usage_is_refused() -> None:
    assert run("import").exit_code == 2
    assert run("import", "missing.json").exit_code == 2


def test_terraforms_language_needs_its_library_and_json_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "segue_worker.segment_import.hcl", raising=False)
    monkeypatch.delattr("segue_worker.segment_import.hcl", raising=False)
    monkeypatch.setitem(sys.modules, "hcl2", None)
    Path("main.tf").write_text('resource "segment_destination" "x" {}\n', encoding="utf-8")
    result = run("import", "main.tf")
    assert result.exit_code == 2
    assert ' -m pip install "segue[import]"; or convert the JSON' in result.stderr
    assert run("import", "good.json").exit_code == 0


def test_a_disk_that_is_full_leaves_no_part_of_a_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Path.write_text

    def fill_the_disk(path: Path, text: str, **options: str) -> int:
        whole(path, text[:100], **options)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", fill_the_disk)
        result = run("import", "good.json", "--output", "segue.yaml")
    assert result.exit_code == 1
    assert "segue.yaml: No space left on device. Correct that" in result.stderr
    assert sorted(map(str, Path().iterdir())) == ["good.json", "mixed.json"]
    assert run("import", "good.json", "--output", "segue.yaml").exit_code == 0
