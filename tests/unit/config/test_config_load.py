"""What a configuration says, and what is said about one that breaks a rule."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from segue_worker.config import Config, DeadLetterLimits, Inspection, RetryLimits, load_config
from segue_worker.errors import ConfigError

Found = Callable[..., list[tuple[int | None, str, str]]]
Inspect = Callable[..., Inspection]

ENVIRON = {"LOOPS_API_KEY": "test-api-key", "SEGUE_WRITE_KEY": "test-write-key"}
HEAD = "destinations:\n  - name: loops\n    api_key: ${LOOPS_API_KEY}\n"


def loaded(inspection: Inspection) -> Config:
    assert inspection.problems == ()
    assert inspection.config is not None
    return inspection.config


def test_three_lines_make_a_configuration_with_sensible_defaults(inspect: Inspect) -> None:
    config = loaded(inspect(HEAD))
    (destination,) = config.destinations
    assert destination.api_key.get_secret_value() == "test-api-key"
    assert destination.base_url == "https://app.loops.so/api/v1"
    assert destination.enabled is True
    assert destination.rate_limit == 10
    assert destination.coalesce == "updates"
    assert destination.retry == RetryLimits(max_age=timedelta(hours=24))
    assert destination.dedupe_window == timedelta(hours=24)
    assert destination.max_pending == 1_000_000
    assert destination.parallel_runs == 1
    assert destination.timeout == timedelta(seconds=10)
    assert destination.dead_letter == DeadLetterLimits(keep=timedelta(days=30), max=100_000)
    assert [(mapping.name, mapping.action) for mapping in destination.mappings] == [
        ("Sync contacts", "createOrUpdateContact"),
        ("Send events", "sendEvent"),
    ]
    assert config.sources == ()
    assert config.warnings == ()


def test_every_setting_is_taken_over(inspect: Inspect) -> None:
    text = HEAD + (
        "    base_url: http://localhost:8080/api/v1/\n    enabled: false\n    rate_limit: 25\n    coalesce: off\n"
        "    retry: {max_age: 90m}\n    dedupe_window: 48h\n    max_pending: 5_000\n    parallel_runs: 4\n    timeout: 2s\n"
        "    dead_letter: {keep: 7d, max: 10}\n"
        "    mappings:\n      - {name: A, action: sendEvent, enabled: false}\n"
        "sources:\n  - {write_key: '${SEGUE_WRITE_KEY}', destinations: [loops]}\n"
    )
    config = loaded(inspect(text))
    destination = config.destination("loops")
    assert destination.base_url == "http://localhost:8080/api/v1"
    assert destination.enabled is False
    assert destination.rate_limit == 25
    assert destination.coalesce == "off"
    assert destination.retry.max_age == timedelta(minutes=90)
    assert destination.dedupe_window == timedelta(hours=48)
    assert destination.max_pending == 5000
    assert destination.parallel_runs == 4
    assert destination.timeout == timedelta(seconds=2)
    assert destination.dead_letter == DeadLetterLimits(keep=timedelta(days=7), max=10)
    assert [mapping.enabled for mapping in destination.mappings] == [False]
    assert config.sources[0].write_key.get_secret_value() == "test-write-key"
    assert config.sources[0].destinations == ("loops",)
    with pytest.raises(KeyError):
        config.destination("elsewhere")


def test_numbers_and_truth_values_may_come_from_variables(inspect: Inspect) -> None:
    text = HEAD + "    rate_limit: ${LIMIT}\n    enabled: ${ON}\n    timeout: ${WAIT}\n"
    destination = loaded(inspect(text, LIMIT="3", ON="false", WAIT="5s")).destinations[0]
    assert (destination.rate_limit, destination.enabled, destination.timeout) == (3, False, timedelta(seconds=5))


def test_the_file_is_named_by_argument_then_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.yaml", "b.yaml", "segue.yaml"):
        (tmp_path / name).write_text(HEAD, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOOPS_API_KEY", "from-process")
    assert load_config("a.yaml", {**ENVIRON, "SEGUE_CONFIG": "b.yaml"}).path == Path("a.yaml")
    assert load_config(environ={**ENVIRON, "SEGUE_CONFIG": "b.yaml"}).path == Path("b.yaml")
    assert load_config(environ=ENVIRON).path == Path("segue.yaml")
    monkeypatch.setenv("SEGUE_CONFIG", str(tmp_path / "b.yaml"))
    config = load_config()
    assert config.path == tmp_path / "b.yaml"
    assert config.destinations[0].api_key.get_secret_value() == "from-process"


def test_problems_are_raised_as_file_line_path_and_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("segue.yaml").write_text(
        HEAD + "    rate_limit: 0\n    dead_letter: {maxi: 1}\n    retry: {colour: red}\n", encoding="utf-8"
    )
    with pytest.raises(ConfigError) as refused:
        load_config(environ=ENVIRON)
    assert refused.value.problems == (
        "segue.yaml:4: destinations[0].rate_limit: must be 1 or more",
        'segue.yaml:5: destinations[0].dead_letter.maxi: unknown key "maxi"; did you mean max?',
        'segue.yaml:6: destinations[0].retry.colour: unknown key "colour"; the known keys are max_age',
    )
    Path("segue.yaml").unlink()
    with pytest.raises(
        ConfigError, match=r"^segue\.yaml: there is no such file: name one with --config or SEGUE_CONFIG$"
    ):
        load_config(environ=ENVIRON)


@pytest.mark.parametrize(
    ("line", "path", "reason"),
    [
        ("rate_limt: 3", "rate_limt", 'unknown key "rate_limt"; did you mean rate_limit?'),
        ("rate_limit: 1.5", "rate_limit", "needs a whole number, not a number"),
        ("rate_limit: fast", "rate_limit", "needs a whole number, not text"),
        ("rate_limit: -1", "rate_limit", "must be 1 or more"),
        ("rate_limit:", "rate_limit", "is empty: write a value, or leave the key out"),
        ("parallel_runs: 33", "parallel_runs", "must be 32 or less"),
        ("max_pending: 0", "max_pending", "must be 1 or more"),
        ("enabled: yes", "enabled", "needs true or false, not text"),
        ("enabled: 1", "enabled", "needs true or false, not a number"),
        ("coalesce: update", "coalesce", "must be one of off, updates, updates_into_events; did you mean updates?"),
        ("coalesce: false", "coalesce", "must be one of off, updates, updates_into_events"),
        ("retry: 24h", "retry", "needs keys and their values, not text"),
        ("retry: {max_age: 24}", "retry.max_age", "a number needs a unit, as in 24h"),
        ("retry: {maxage: 24h}", "retry.maxage", 'unknown key "maxage"; did you mean max_age?'),
        ("retry: {max_age: 31d}", "retry.max_age", "must be between 1s and 30d"),
        ("dedupe_window: 59s", "dedupe_window", "must be between 1m and 365d"),
        ("timeout: -1s", "timeout", "must be between 1s and 2m"),
        ("dead_letter: {max: 0}", "dead_letter.max", "must be 1 or more"),
        ("dead_letter: [1]", "dead_letter", "needs keys and their values, not a list"),
        ("mappings: {name: A}", "mappings", "needs a list, not keys and values"),
        ("mappings: [A]", "mappings[0]", "needs keys and their values, not text"),
        ("mappings: [{name: A}]", "mappings[0]", 'missing key "action"'),
        ("mappings: [{action: sendEvent}]", "mappings[0]", 'missing key "name"'),
        ("mappings: [{name: '', action: sendEvent}]", "mappings[0].name", "is empty"),
        ("mappings: [{name: 7, action: sendEvent}]", "mappings[0].name", "needs text, not a number: put it in quotes"),
        ("mappings: [{name: A, action: sendEvents}]", "mappings[0].action",
         "must be one of createOrUpdateContact, sendEvent; did you mean sendEvent?"),
        ("mappings: [{name: A, action: sendEvent, fields: []}]", "mappings[0].fields", "needs keys and their values, not a list"),
        ("mappings: [{name: A, action: sendEvent, triger: x}]", "mappings[0].triger",
         'unknown key "triger"; did you mean trigger?'),
        ('mappings: [{name: "A\\nB", action: sendEvent}]', "mappings[0].name",
         "must be one line of printable characters, without spaces at its ends"),
        ("base_url: app.loops.so", "base_url", "is not an http:// or https:// address, such as https://app.loops.so/api/v1"),
        ("base_url: ftp://app.loops.so", "base_url", "is not an http:// or https:// address, such as https://app.loops.so/api/v1"),
        ("base_url: https://ada:pw@app.loops.so", "base_url",
         "must not hold a user name or password: the API key goes into `api_key`"),
        ("base_url: https://app.loops.so/?a=b", "base_url", "must end with the path: no `?` or `#`"),
    ],
)  # fmt: skip
def test_each_rule_is_worded_for_people(found: Found, line: str, path: str, reason: str) -> None:
    assert found(f"{HEAD}    {line}\n") == [(4, f"destinations[0].{path}", reason)]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("{}\n", [(1, "", 'missing key "destinations"')]),
        ("[]\n", [(1, "", "needs keys and their values, not a list")]),
        ("destinations\n", [(1, "", "needs keys and their values, not text")]),
        ("destinations: []\n", [(1, "destinations", "is an empty list: name at least one")]),
        ("destination: []\n", [(1, "", 'missing key "destinations"'),
                               (1, "destination", 'unknown key "destination"; did you mean destinations?')]),
        ("destinations:\n  - name: Loops\n    api_key: k\n",
         [(2, "destinations[0].name", "may hold lower case letters, digits, - and _ only, 64 at most")]),
        (HEAD + "sources:\n  - {write_key: w, destinations: []}\n",
         [(5, "sources[0].destinations", "is an empty list: name at least one")]),
        (HEAD + "sources:\n  - {write_key: w, destinations: [loop]}\n",
         [(5, "sources[0].destinations[0]", "no destination has this name; did you mean loops?")]),
        (HEAD + "sources:\n  - write_key: w\n    destinations:\n      - loops\n      - loops\n",
         [(8, "sources[0].destinations[1]",
           'duplicate destination "loops": sources[0].destinations[0] on line 7 has the same')]),
    ],
)  # fmt: skip
def test_the_file_and_its_sources_have_rules_too(found: Found, text: str, problems: list[tuple[int, str, str]]) -> None:
    assert found(text) == problems


def test_doubled_names_say_where_the_first_is(found: Found) -> None:
    mappings = "    mappings:\n      - {name: A, action: sendEvent}\n      - {name: A, action: sendEvent}\n"
    assert found(f"{HEAD}{mappings}  - name: loops\n    api_key: other\n") == [
        (
            6,
            "destinations[0].mappings[1].name",
            'duplicate name "A": destinations[0].mappings[0].name on line 5 has the same',
        ),
        (7, "destinations[1].name", 'duplicate name "loops": destinations[0].name on line 2 has the same'),
    ]


def test_one_team_has_one_limit(found: Found) -> None:
    """Loops limits the team, whichever of its destinations sends."""
    other = "  - {name: b, api_key: '${LOOPS_API_KEY}', rate_limit: %d}\n"
    assert found(HEAD + other % 5) == [
        (
            4,
            "destinations[1].rate_limit",
            "is 5, and 10 at loops, which has the same API key: Loops limits the team as a whole, so write the same at both",
        )
    ]
    assert found(HEAD + other % 10) == []
    assert found(HEAD + (other % 5).replace("${LOOPS_API_KEY}", "another")) == []


def test_one_name_may_be_used_in_two_destinations(inspect: Inspect) -> None:
    mappings = "    mappings: [{name: A, action: sendEvent}]\n"
    other = "  - name: other\n    api_key: other\n"
    assert len(loaded(inspect(HEAD + mappings + other + mappings)).destinations) == 2


def many(count: int, more: str = "") -> str:
    return "    mappings:\n" + "".join(f"      - {{name: M{n}, action: sendEvent{more}}}\n" for n in range(count))


def test_fifty_mappings_are_loaded_and_fifty_one_are_not(inspect: Inspect, found: Found) -> None:
    assert len(loaded(inspect(HEAD + many(50))).destinations[0].mappings) == 50
    assert found(HEAD + many(51)) == [(4, "destinations[0].mappings", "51 mappings, at most 50")]


def test_mappings_that_are_not_enabled_count(found: Found) -> None:
    assert found(HEAD + many(51, ", enabled: false")) == [(4, "destinations[0].mappings", "51 mappings, at most 50")]


def test_too_many_mappings_hide_no_other_problem(found: Found) -> None:
    text = HEAD + many(51) + "      - {name: M0, action: x, trigger: nonsense}\n"
    assert [(line, path) for line, path, _ in found(text)] == [
        (4, "destinations[0].mappings"),
        (56, "destinations[0].mappings[51].action"),
        (56, "destinations[0].mappings[51].name"),
        (56, "destinations[0].mappings[51].trigger"),
    ]


def test_a_missing_variable_is_the_only_problem_of_its_value(found: Found) -> None:
    text = """\
destinations:
  - name: ${N}
    api_key: ${K}
    rate_limit: ${R}
    mappings:
      - {name: '${M}', action: '${A}', trigger: '${T}'}
      - {name: '${M}', action: sendEvent}
"""
    assert [(line, path, reason.split()[3]) for line, path, reason in found(text)] == [
        (2, "destinations[0].name", "N"),
        (3, "destinations[0].api_key", "K"),
        (4, "destinations[0].rate_limit", "R"),
        (6, "destinations[0].mappings[0].name", "M"),
        (6, "destinations[0].mappings[0].action", "A"),
        (6, "destinations[0].mappings[0].trigger", "T"),
        (7, "destinations[0].mappings[1].name", "M"),
    ]


@pytest.mark.parametrize(
    ("more", "line", "warning"),
    [
        ("    retry: {max_age: 48h}\n", 4, "destinations[0].retry.max_age: Loops forgets Idempotency-Keys after 24h"),
        ("    dedupe_window: 1h\n", 4, "destinations[0].dedupe_window: less than 24h"),
        (
            "    mappings: [{name: A, action: sendEvent, defaults: false, fields: {userId: x}}]\n",
            4,
            "destinations[0].mappings[0]: sendEvent needs eventName",
        ),
        (
            "    mappings: [{name: A, action: sendEvent, fields: {userId: null, email: null}}]\n",
            4,
            "destinations[0].mappings[0]: sendEvent needs userId",
        ),
        (
            "    mappings: [{name: A, action: sendEvent, fields: {eventName: ''}}]\n",
            4,
            "destinations[0].mappings[0]: sendEvent needs eventName",
        ),
        (
            "    mappings: [{name: A, action: createOrUpdateContact, fields: {subscribed: yes}}]\n",
            4,
            "destinations[0].mappings[0].fields.subscribed: Subscribed must be a boolean but it was a string",
        ),
        (
            "    mappings: [{name: A, action: createOrUpdateContact, fields: {email: [nobody], createdAt: 2026-01-02}}]\n",
            4,
            "destinations[0].mappings[0].fields.email: Contact Email must be a valid email address",
        ),
        (
            "    mappings: [{name: A, action: sendEvent, fields: {mailingLists: {a: true, b: 'false', c: yes, d: null}}}]\n",
            4,
            "destinations[0].mappings[0].fields.mailingLists.c: is neither true nor false: no request ever names this list",
        ),
        (
            "    mappings: [{name: A, action: sendEvent, fields: {mailingLists: [{listId: a, subscribed: 1}]}}]\n",
            4,
            "destinations[0].mappings[0].fields.mailingLists[0]: is neither true nor false",
        ),
        (
            "    mappings: [{name: A, action: createOrUpdateContact, fields: {customAttributes: {mailingLists: {a: on}}}}]\n",
            4,
            "destinations[0].mappings[0].fields.customAttributes.mailingLists.a: is neither true nor false",
        ),
        ("    mappings: []\n", 4, "destinations[0].mappings: no mappings"),
        ("    base_url: http://loops.example.com/v1\n", 4, "destinations[0].base_url: the API key is sent over the network unencrypted"),
    ],
)  # fmt: skip
def test_what_is_rarely_meant_is_a_warning(inspect: Inspect, more: str, line: int, warning: str) -> None:
    config = loaded(inspect(HEAD + more))
    assert [f"segue.yaml:{line}: {warning}" in each for each in config.warnings] == [True]


@pytest.mark.parametrize(
    "fields",
    [
        "{userId: null}",
        '{userId: null, email: {"@path": $.traits.email}}',
        '{subscribed: [{"@path": $.traits.a}], email: "", source: null, userGroup: 5}',
        '{mailingLists: [{listId: a, subscribed: {"@path": $.traits.a}}], customAttributes: {mailingLists: {b: {"@if": {exists: 1}}}}}',
        '{mailingLists: {"@path": $.traits.lists}, customAttributes: null}',
    ],
)
def test_fields_that_can_send_something_get_no_warning(inspect: Inspect, fields: str) -> None:
    mapping = f"    mappings: [{{name: A, action: createOrUpdateContact, fields: {fields}}}]\n"
    assert loaded(inspect(HEAD + mapping)).warnings == ()


@pytest.mark.parametrize(
    "url", ["http://sandbox:8080/api/v1", "http://localhost/v1", "http://127.0.0.1:1/", "http://[::1]:80"]
)
def test_a_neighbour_may_be_reached_without_https(inspect: Inspect, url: str) -> None:
    assert loaded(inspect(f"{HEAD}    base_url: '{url}'\n")).warnings == ()


@pytest.mark.parametrize(
    ("second", "minutes"),
    [
        ("api_key: ${LOOPS_API_KEY}", [0, 0]),
        ("api_key: ${LOOPS_API_KEY}\n    enabled: false", [10, 10]),
        ("api_key: ${SEGUE_WRITE_KEY}", [10, 10]),
    ],
)
def test_destinations_that_change_each_others_contacts_send_every_update(
    inspect: Inspect, second: str, minutes: list[int]
) -> None:
    config = loaded(inspect(f"{HEAD}  - name: web\n    {second}\n"))
    assert [each.skip_unchanged / timedelta(minutes=1) for each in config.destinations] == minutes
