"""What the file is, before what it says: encoding, size, nesting, YAML."""

import time
from pathlib import Path

import pytest

from segue_worker.config.document import MAX_BYTES, Document, read_document
from segue_worker.config.yaml_tree import DocumentError


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    return tmp_path / "segue.yaml"


def read(file: Path, content: str | bytes, **environ: str) -> Document:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_document(file, environ)


def reasons(document: Document) -> list[tuple[int | None, str, str]]:
    return [(problem.line, problem.path, problem.reason) for problem in document.findings.problems]


def test_values_are_those_of_yaml_1_2(file: Path) -> None:
    document = read(
        file,
        """\
        words: [off, on, yes, no, 2024-01-01, "1", 'true', 12:30]
        numbers: [1, -2, 1_000, 0x1f, 0o17, 010, 1.5, 1e3]
        others: [true, False, null, ~, ]
        text: |
          two
          lines
        7: seven
        """,
    )
    assert document.data == {
        "words": ["off", "on", "yes", "no", "2024-01-01", "1", "true", "12:30"],
        "numbers": [1, -2, 1000, 31, 15, 10, 1.5, 1000.0],
        "others": [True, False, None, None],
        "text": "two\nlines\n",
        "7": "seven",
    }
    assert reasons(document) == []


def test_every_path_knows_its_line(file: Path) -> None:
    document = read(file, "a:\n  - b: 1\n    c:\n      d\n  -\n    - x\n    - y\ne: {f: 1,\n    g: 2}\n")
    assert document.lines == {
        (): 1,
        ("a",): 1,
        ("a", 0): 2,
        ("a", 0, "b"): 2,
        ("a", 0, "c"): 3,
        ("a", 1): 6,
        ("a", 1, 0): 6,
        ("a", 1, 1): 7,
        ("e",): 8,
        ("e", "f"): 8,
        ("e", "g"): 9,
    }


def test_variables_are_replaced_in_values_only(file: Path) -> None:
    document = read(file, '${K}: "x-${K}"\nn: ${N}\nlist: [$$, $.traits]\n', K="k", N="7")
    assert document.data == {"${K}": "x-k", "n": "7", "list": ["$", "$.traits"]}
    assert document.replaced == {("${K}",): {"k"}, ("n",): {"7"}}


def test_a_missing_variable_is_a_problem_where_it_is_used(file: Path) -> None:
    document = read(file, "a: 1\nb:\n  - ${NOWHERE}\n")
    assert reasons(document) == [(3, "b[0]", "the environment variable NOWHERE is not set")]
    assert document.findings.is_silenced(("b", 0))


def test_aliases_repeat_a_value(file: Path) -> None:
    document = read(file, "a: &x {k: [1]}\nb: *x\n")
    assert document.data == {"a": {"k": [1]}, "b": {"k": [1]}}


def test_doubled_keys_are_problems(file: Path) -> None:
    document = read(file, "a: 1\nb: {c: 1, d: 2,\n  c: 3}\na: &v x\n*v : 1\nx: 1\n")
    assert reasons(document) == [
        (3, "b.c", 'the key "c" is given twice: first on line 2'),
        (4, "a", 'the key "a" is given twice: first on line 1'),
        (6, "x", 'the key "x" is given twice: first on line 5'),
    ]


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("a: 1\nb: !!python/object/apply:os.getcwd []\n", 2, "YAML tags"),
        ("a: !secret x\n", 1, "YAML tags"),
        ("a: !!str 1\n", 1, "YAML tags"),
        ("a: &x {k: 1}\nb:\n  <<: *x\n", 3, "merge keys"),
        ("a: 1\n? [x, y]\n: 1\n", 2, "a key must be text"),
        ("a: .inf\n", 1, "a number that JSON does not have"),
        ("a: 1e999\n", 1, "a number that JSON does not have"),
        (f"a: {'1' * 5000}\n", 1, "a number that JSON does not have"),
        ('a: "\\ud800"\n', 1, "half of a surrogate pair"),
    ],
)
def test_what_no_configuration_needs_is_a_problem(file: Path, content: str, line: int, reason: str) -> None:
    found = reasons(read(file, content))
    assert [(at, said.startswith(reason)) for at, _, said in found] == [(line, True)]


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("", 1, "the file is empty"),
        ("# nothing\n", 1, "the file is empty"),
        ("a: 1\n---\nb: 1\n", 2, "a second YAML document"),
        ("a: 1\n---\n", 2, "a second YAML document"),
        ("%YAML 1.1\n---\na: 1\n", 2, "the %YAML directive"),
        ("a: 1\nb: [1\n", 3, "not valid YAML"),
        ("a: 1\n b: 2\n", 2, "not valid YAML"),
        ("a: 1\n\tb: 2\n", 2, "not valid YAML"),
        ("a: 1\nb: *nowhere\n", 2, "not valid YAML: an alias"),
        ("a: 1\nb: &x [*x]\n", 2, "an alias within its own anchor"),
        ("a: 1\nb: \x07\n", 2, "not valid YAML: a control character"),
        ("a: 1\nb: \x00\n", 2, "not valid YAML: a control character"),
        (b"a: 1\nb: \xff\n", 2, "not valid UTF-8"),
        ("a: 1\n".encode("utf-16"), 1, "not valid UTF-8"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(file: Path, content: str | bytes, line: int, reason: str) -> None:
    with pytest.raises(DocumentError, match=f"^{reason}") as refused:
        read(file, content)
    assert refused.value.line == line


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("x: {@path: $.traits}", "put a text or key that begins with this character in quotes"),
        ("\tx: 1", "use spaces, not tabs"),
        ('x: !contains(event, "Test") and userId != null', "put a text that begins with ! in quotes"),
        ("x: {{name}} there", "put a text with {{ in quotes"),
        ('x: "a" = b', "the text ends at its second quote: put all of it in quotes of the other kind"),
        ("x: Order: paid", "put a text with a colon and a space in quotes, and mind the indentation"),
        ("x: [a", ""),
    ],
)
def test_of_usual_mistakes_in_yaml_it_is_said_what_to_do(file: Path, line: str, advice: str) -> None:
    with pytest.raises(DocumentError) as refused:
        read(file, f"a:\n  b: 1\n  {line}\n")
    parser, _, said = str(refused.value).removeprefix("not valid YAML: ").partition(": ")
    assert parser
    assert said == advice


def test_an_unquoted_template_or_negation_that_is_yaml_is_told_to_be_put_in_quotes(file: Path) -> None:
    found = reasons(read(file, "a: {{name}}\nb: !contains(event,x)\n"))
    assert [said.rpartition("put ")[2] for _, _, said in found] == [
        "a text with {{ in quotes",
        "a text that begins with ! in quotes",
    ]


def test_a_byte_order_mark_does_no_harm(file: Path) -> None:
    assert read(file, b"\xef\xbb\xbfa: 1\r\nb: 2\r\n").data == {"a": 1, "b": 2}


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="there is no such file"):
        read_document(tmp_path / "nowhere.yaml", {})
    with pytest.raises(DocumentError, match="cannot be read: Is a directory"):
        read_document(tmp_path, {})


@pytest.mark.parametrize("name", ["\0", "x" * 5000])
def test_a_name_no_file_can_have_is_refused(name: str) -> None:
    with pytest.raises(DocumentError, match="cannot be read"):
        read_document(Path(name), {})


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 12)
)
STAIRS = "a0: &a0 " + "[" * 50 + "]" * 50 + "\n" + "a1: &a1 " + "[" * 40 + "*a0" + "]" * 40 + "\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(BOMB, "more than 100,000 values once its aliases are followed", id="alias bomb"),
        pytest.param(STAIRS, "nested deeper than 64 levels once its aliases are followed", id="alias stairs"),
        pytest.param("[" * 200_000, "nested deeper than 64 levels", id="deep flow"),
        pytest.param("- " * 200_000, "nested deeper than 64 levels", id="deep block"),
        pytest.param("{a: " * 200_000, "nested deeper than 64 levels", id="deep flow mapping"),
        pytest.param("? " * 200_000, "nested deeper than 64 levels", id="deep complex key"),
        pytest.param("#" * (MAX_BYTES + 1), "larger than 10 MB", id="large"),
        pytest.param(b"\xff" * MAX_BYTES, "not valid UTF-8", id="not text"),
    ],
)
def test_a_hostile_file_is_refused_at_once(file: Path, content: str | bytes, reason: str) -> None:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    started = time.process_time()
    with pytest.raises(DocumentError, match=f"^{reason}"):
        read_document(file, {})
    assert time.process_time() - started < 5


def test_no_refusal_quotes_the_text(file: Path) -> None:
    for content in (
        "a: *sk-secret",
        "a: !sk-secret!x y",
        "a: &sk-secret 1\nb: [",
        "%TAG !sk-secret! x\n%TAG !sk-secret! y\n",
    ):
        with pytest.raises(DocumentError) as refused:
            read(file, content)
        assert "sk-secret" not in refused.value.reason
