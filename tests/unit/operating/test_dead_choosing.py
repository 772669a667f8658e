"""For which mappings a replay is: those that match now, each event once for each mapping."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from segue_producer.entries import identity
from segue_producer.keys import Keys
from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_worker.cli import dead as dead_command
from segue_worker.cli import segue
from segue_worker.mapping import CompiledMapping
from segue_worker.operating.dead_letters import Chooser, Filter, History, matching, replay
from segue_worker.outbox.dead_letter import DeadLetter

from .town import Town, mapping

KEYS = Keys("loops")
FIRST = mapping("first")
SECOND = mapping("second", fields={"eventName": "Second"})
RENAMED = mapping("renamed", fields={"eventName": "Renamed"})
CONTACTS = mapping("contacts", "createOrUpdateContact", trigger='type = "track" or type = "identify"')
NARROW = mapping("second", trigger='event = "Other"')
OFF = mapping("second", enabled=False)


def letters(town: Town) -> list[DeadLetter]:
    return list(matching(town.redis, "loops", Filter()))


def agree(town: Town) -> None:
    """Of each letter the log says the same where only that is asked about."""
    everything = History(town.redis, "loops")
    for letter in letters(town):
        only = History(town.redis, "loops", letter)
        assert only.newer_update(letter) == everything.newer_update(letter)
        for place, message_id in enumerate(letter.message_ids):
            known = identity(letter.source(place), message_id)
            assert only.delivered(known) == everything.delivered(known)


def replay_for(town: Town, *mappings: CompiledMapping, only: str | None = None) -> list[tuple[str, str, str]]:
    chooser = Chooser(mappings, History(town.redis, "loops"), only)
    found = replay(town.redis, "loops", letters(town), send_hint=lambda _: None, chooser=chooser)
    return [(each.outcome, each.why, each.newer) for each in found]


def names(town: Town) -> list[str]:
    return [event.name for event in town.sandbox.events]


def fail_second(town: Town) -> None:
    """The first of two mappings delivers, the second is refused."""
    town.enqueue("loops", "u1")
    town.run("loops", mappings=(FIRST, SECOND), leave_after=1)
    town.fail(1, status=400)
    town.run("loops", mappings=(FIRST, SECOND))
    assert names(town) == ["E"]


def test_a_renamed_mapping_takes_what_the_old_one_could_not_deliver(town: Town) -> None:
    fail_second(town)
    assert letters(town)[0].beside == ((0, "first"),)
    agree(town)
    assert replay_for(town, FIRST, RENAMED) == [("replayed", "", "")]
    town.finish("loops", mappings=(FIRST, RENAMED))
    assert names(town) == ["E", "Renamed"]


@pytest.mark.parametrize("log", [True, False])
def test_a_letter_of_a_version_that_did_not_say_what_else_it_was_for_goes_by_the_log(town: Town, *, log: bool) -> None:
    fail_second(town)
    (letter,) = letters(town)
    fields = json.loads(letter.to_json())
    del fields["beside"]
    town.redis.hset(KEYS.dead, letter.id, json.dumps(fields))
    if not log:
        town.redis.delete(KEYS.log)
    ((outcome, why, _),) = replay_for(town, FIRST, RENAMED)
    assert (outcome, "is not known any more" in why) == (("replayed", False) if log else ("refused", True))
    assert replay_for(town, FIRST, RENAMED, only="renamed")[-1:] == ([] if log else [("replayed", "", "")])
    town.finish("loops", mappings=(FIRST, RENAMED))
    assert names(town) == ["E", "Renamed"]


@pytest.mark.parametrize(
    ("mappings", "why"),
    [
        ((FIRST,), "the configuration has no mapping 'second', and none that takes it instead"),
        ((FIRST, NARROW), "'second' does not take it now (it requires event = \"Other\")"),
        ((FIRST, OFF), "'second' does not take it now (it is disabled)"),
        ((FIRST, CONTACTS), "the configuration has no mapping 'second', and none that takes it instead"),
    ],
)
def test_what_no_mapping_takes_stays_a_dead_letter_and_says_why(
    town: Town, mappings: tuple[CompiledMapping, ...], why: str
) -> None:
    fail_second(town)
    ((outcome, said, _),) = replay_for(town, *mappings)
    assert outcome == "refused"
    assert said.startswith(why)
    assert len(letters(town)) == 1


def test_a_person_may_choose_a_mapping_but_none_that_delivered_it(town: Town) -> None:
    fail_second(town)
    assert replay_for(town, FIRST, CONTACTS, only="first") == [("refused", "'first' delivered it already", "")]
    assert replay_for(town, FIRST, CONTACTS, only="contacts") == [("replayed", "", "")]


def test_two_letters_of_one_event_do_not_both_go_to_a_new_mapping(town: Town) -> None:
    town.enqueue("loops", "u1")
    town.fail(2, status=400)
    town.finish("loops", mappings=(FIRST, SECOND))
    assert [outcome for outcome, _, _ in replay_for(town, RENAMED)] == ["replayed", "refused"]
    town.finish("loops", mappings=(RENAMED,))
    assert names(town) == ["Renamed"]


@pytest.mark.parametrize("chosen", [None, "renamed"])
def test_nor_do_they_where_they_are_replayed_one_after_the_other(town: Town, *, chosen: str | None) -> None:
    town.enqueue("loops", "u1")
    town.fail(2, status=400)
    town.finish("loops", mappings=(FIRST, SECOND))
    outcomes = []
    for letter in letters(town):
        chooser = Chooser((RENAMED,), History(town.redis, "loops", letter), chosen)
        (replayed,) = replay(town.redis, "loops", [letter], send_hint=lambda _: None, chooser=chooser)
        outcomes.append(replayed.outcome)
    assert outcomes == ["replayed", "refused"]
    town.finish("loops", mappings=(RENAMED,))
    assert names(town) == ["Renamed"]


@pytest.mark.parametrize("chosen", [None, "renamed"])
def test_nor_where_the_new_mapping_has_a_letter_of_its_own(town: Town, *, chosen: str | None) -> None:
    town.enqueue("loops", "u1")
    town.fail(2, status=400)
    town.finish("loops", mappings=(FIRST, SECOND))
    assert [outcome for outcome, _, _ in replay_for(town, RENAMED, only=chosen)] == ["replayed", "refused"]
    town.fail(1, status=400)
    town.finish("loops", mappings=(RENAMED,))
    assert [letter.mappings for letter in letters(town)] == [("second",), ("renamed",)]
    assert [outcome for outcome, _, _ in replay_for(town, RENAMED, only=chosen)] == ["refused", "replayed"]
    town.finish("loops", mappings=(RENAMED,))
    assert names(town) == ["Renamed"]


def test_what_a_letter_was_for_besides_is_known_after_a_replay_too(town: Town) -> None:
    fail_second(town)
    # The log is kept for so many entries, and letters for as many days as it takes.
    town.redis.delete(KEYS.log)
    assert replay_for(town, FIRST, SECOND) == [("replayed", "", "")]
    town.fail(1, status=400)
    town.finish("loops", mappings=(FIRST, SECOND))
    assert letters(town)[0].beside == ((0, "first"),)
    assert replay_for(town, FIRST, RENAMED) == [("replayed", "", "")]
    town.finish("loops", mappings=(FIRST, RENAMED))
    assert names(town) == ["E", "Renamed"]


def test_a_chosen_mapping_takes_nothing_from_the_others_of_a_letter(town: Town) -> None:
    def touch(name: str) -> CompiledMapping:
        fields = {"userId": {"@path": "$.userId"}, "customAttributes": {name: True}}
        return mapping(name, "createOrUpdateContact", trigger='type = "track"', defaults=False, fields=fields)

    town.enqueue("loops", "u1", properties={})
    town.finish("loops", mappings=(touch("one"), touch("two"), touch("three")))
    assert [letter.mappings for letter in letters(town)] == [("one", "two", "three")]
    town.enqueue("loops", "u1", type="identify", traits={"email": "u1@example.com"})
    town.finish("loops", mappings=(CONTACTS,))
    now = touch("one"), touch("two"), touch("four")
    assert replay_for(town, *now, only="four") == [("replayed", "", "m2")]
    town.finish("loops", mappings=now)
    contact = town.sandbox.team("key").contacts.by_user_id("u1")
    assert contact is not None
    assert set(contact.properties) >= {"one", "two", "four"}


def test_a_chosen_mapping_is_not_sent_for_the_other_events_of_a_merge(town: Town) -> None:
    signs = mapping("signs", "createOrUpdateContact", trigger='event = "Signed"', fields={"email": None})
    pays = mapping("pays", "createOrUpdateContact", trigger='event = "Paid"', fields={"email": None})
    for name in ("Signed", "Paid"):
        town.enqueue("loops", "u1", event=name, properties={})
    town.finish("loops", mappings=(signs, pays))
    (letter,) = letters(town)
    assert letter.refs == ((0, "signs"), (1, "pays"))
    assert Chooser((signs, pays), History(town.redis, "loops"), "pays").choose(letter) == [["signs"], ["pays"]]


def test_what_takes_the_place_of_an_update_that_was_folded_into_an_event_is_an_update(town: Town) -> None:
    def touch(name: str) -> CompiledMapping:
        fields = {"userId": {"@path": "$.userId"}, "customAttributes": {name: True}}
        return mapping(name, "createOrUpdateContact", trigger='type = "track"', defaults=False, fields=fields)

    town.enqueue("loops", "u1", properties={})
    town.finish("loops", mappings=(touch("one"), FIRST), coalesce="updates_into_events")
    (letter,) = letters(town)
    assert (letter.reason, letter.mappings) == ("unknown_contact", ("one", "first"))
    choose = [
        Chooser(now, History(town.redis, "loops")).choose(letter)
        for now in ((touch("two"), FIRST, SECOND), (touch("two"), RENAMED))
    ]
    assert choose == [[["first", "two"]], [["two", "renamed"]]]


def test_where_what_delivered_an_event_is_gone_as_well_a_person_says_which_mapping_is_which(town: Town) -> None:
    fail_second(town)
    first = mapping("one", fields={"eventName": "One"})
    ((outcome, why, _),) = replay_for(town, first, RENAMED)
    assert outcome == "refused"
    assert why == (
        "the configuration has no mapping 'second', nor 'first', by which it was sent: which of 'one', 'renamed' stands for "
        "which is not known; choose one with --mapping"
    )
    assert replay_for(town, first, RENAMED, only="renamed") == [("replayed", "", "")]
    town.finish("loops", mappings=(first, RENAMED))
    assert names(town) == ["E", "Renamed"]


def test_where_nothing_was_delivered_it_makes_no_difference_which_mapping_is_which(town: Town) -> None:
    town.enqueue("loops", "u1")
    town.fail(2, status=400)
    town.finish("loops", mappings=(FIRST, SECOND))
    now = mapping("one", fields={"eventName": "One"}), RENAMED
    assert [outcome for outcome, _, _ in replay_for(town, *now)] == ["replayed", "refused"]
    town.finish("loops", mappings=now)
    assert names(town) == ["One", "Renamed"]


def test_a_newer_update_of_the_contact_is_told_of(town: Town) -> None:
    town.enqueue("loops", "u1", type="identify", traits={"email": "u1@example.com", "plan": "old"})
    town.enqueue("loops", "u2", type="identify", traits={"email": "u2@example.com", "plan": "old"})
    town.fail(2, status=400)
    town.finish("loops", mappings=(CONTACTS,))
    town.enqueue("loops", "u1", type="identify", traits={"email": "u1@example.com", "plan": "new"})
    town.finish("loops", mappings=(CONTACTS,))
    agree(town)
    assert sorted(replay_for(town, CONTACTS)) == [("replayed", "", ""), ("replayed", "", "m3")]


CONFIG = """\
destinations:
  - name: loops
    api_key: sandbox-key
    mappings:
      - {name: Sync, action: createOrUpdateContact}
      - {name: Renamed, action: sendEvent}
"""


@pytest.fixture
def run(redis_server: EmbeddedRedis, tmp_path: Path) -> Callable[..., Result]:
    path = tmp_path / "segue.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    environ = {"SEGUE_REDIS_URL": redis_server.url, "SEGUE_CONFIG": str(path)}
    return lambda *arguments: CliRunner().invoke(segue, arguments, env=environ)


def bury_139(town: Town) -> None:
    for number in range(139):
        town.enqueue("loops", f"u{number % 5}")
    town.fail(139, status=400)
    town.settings["coalesce"] = "off"
    while town.redis.exists(KEYS.due):
        town.run("loops", mappings=(mapping("Old"),))
        # The breaker's.
        town.redis.delete(KEYS.paused)
    assert len(letters(town)) == 139


@pytest.mark.parametrize(
    "arguments", [("--all",), ("--mapping", "Old"), ("--mapping", "Renamed"), ("--reason", "refused")]
)
def test_139_letters_of_a_renamed_mapping_are_replayed_by_one_command_in_order(
    town: Town, run: Callable[..., Result], arguments: tuple[str, ...]
) -> None:
    bury_139(town)
    result = run("dead", "replay", "loops", *arguments, "--json")
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["replayed"]) == 139
    town.finish("loops", mappings=(mapping("Renamed"),))
    delivered = town.numbers_delivered
    assert sorted(delivered) == list(range(1, 140))
    for contact in range(5):
        of_contact = [number for number in delivered if number % 5 == contact]
        assert of_contact == sorted(of_contact)


def test_ctrl_c_says_how_far_it_came(town: Town, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    bury_139(town)

    def interrupted(*args: Any, **options: Any) -> Iterator[Any]:
        for place, result in enumerate(replay(*args, **options)):
            if place == 100:
                raise KeyboardInterrupt
            yield result

    with monkeypatch.context() as patch:
        patch.setattr(dead_command, "replay", interrupted)
        result = run("dead", "replay", "loops", "--all")
    assert result.exit_code == 1
    assert "Interrupted: 139 dead letters replayed, 0 not" in result.stderr
    assert run("dead", "replay", "loops", "--all").exit_code == 0


def test_a_mapping_may_be_chosen_for_single_letters(town: Town, run: Callable[..., Result]) -> None:
    town.enqueue("loops", "u1")
    town.fail(1, status=400)
    town.finish("loops", mappings=(mapping("Old"),))
    (letter,) = letters(town)
    assert run("dead", "replay", letter.id, "--mapping", "Sync").exit_code == 0
    town.finish("loops", mappings=(mapping("Sync", "createOrUpdateContact"),))
    assert [record["path"] for record in town.sandbox.ledger.records()][-1] == "/contacts/update"
