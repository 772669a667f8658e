"""Pauses: when they are probed."""

import pytest

from segue_worker.outbox.pause import Pause, PauseKind, after_probe, begin

NOW = 1_700_000_000_000


@pytest.mark.parametrize("kind", PauseKind)
def test_a_pause_survives_being_written(kind: PauseKind) -> None:
    pause = after_probe(begin(kind, "reason", NOW), NOW + 1)
    assert (pause.kind, pause.reason, pause.since, pause.probes) == (kind, "reason", NOW, 1)
    assert Pause.from_json(pause.to_json()) == pause


@pytest.mark.parametrize("kind", [PauseKind.HAND, PauseKind.BREAKER])
def test_what_only_a_person_resumes_is_not_probed(kind: PauseKind) -> None:
    assert begin(kind, "reason", NOW).next_probe is None


def test_a_refused_key_is_probed_once_a_minute_however_long_it_takes() -> None:
    pause = begin(PauseKind.REFUSED, "reason", NOW)
    for minute in range(1, 120):
        assert pause.next_probe == NOW + minute * 60_000
        pause = after_probe(pause, NOW + minute * 60_000)


def test_a_loops_that_is_down_is_probed_ever_more_rarely() -> None:
    pause = begin(PauseKind.DOWN, "reason", NOW)
    waits = []
    for _ in range(10):
        assert pause.next_probe is not None
        waits.append((pause.next_probe - NOW) // 1000)
        pause = after_probe(pause, NOW)
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300, 300]
    assert not pause.wants_probe(NOW), "the longest wait is no sign of a clock that was set back"


def test_a_probe_is_wanted_when_its_time_has_come_or_the_clock_was_set_back() -> None:
    pause = begin(PauseKind.REFUSED, "401", NOW)
    assert pause.next_probe is not None
    assert not pause.wants_probe(pause.next_probe - 1)
    assert pause.wants_probe(pause.next_probe)
    assert pause.wants_probe(pause.next_probe - 300_001)
    assert not begin(PauseKind.HAND, "by hand", NOW).wants_probe(NOW * 2)


def test_one_with_an_end_survives_being_written_and_others_are_read_by_older_versions() -> None:
    pause = Pause("reason", NOW, None, until=NOW + 1)
    assert Pause.from_json(pause.to_json()) == pause
    assert b"until" not in Pause("reason", NOW, None).to_json()


@pytest.mark.parametrize(
    ("now", "ended"),
    [(NOW - 1, 1), (NOW, 0), (NOW + 59_999, 0), (NOW + 60_000, 1), (NOW + 10**9, 1)],
)
def test_a_pause_has_ended_when_its_time_is_over_or_the_clock_stands_before_its_beginning(now: int, ended: int) -> None:
    assert Pause("reason", NOW, None, until=NOW + 60_000).has_ended(now) == bool(ended)
    assert not Pause("reason", NOW, None).has_ended(now)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b"no JSON",
        b"[]",
        b"null",
        b'{"kind":"hand"}',
        b'{"reason":"r","since":0,"next_probe":null,"probes":0,"kind":"of a newer version"}',
        b'{"reason":"r","since":null,"next_probe":"soon","probes":0,"kind":"down"}',
        b"[" * 100_000,
    ],
)
def test_a_pause_that_cannot_be_read_holds_until_a_person_resumes(raw: bytes) -> None:
    pause = Pause.from_json(raw)
    assert (pause.kind, pause.next_probe) == (PauseKind.HAND, None)
    assert "segue resume" in pause.reason


@pytest.mark.parametrize("raw", [b"no JSON", b"[]", b'{"reason":"r"}', b'{"reason":"r","since":"x"}'])
def test_a_pause_that_cannot_be_read_holds_until_a_person_resumes_it(raw: bytes) -> None:
    pause = Pause.from_json(raw)
    assert (pause.since, pause.next_probe, pause.kind) == (0, None, PauseKind.HAND)
    assert pause.reason == "what is kept of the pause cannot be read; `segue resume` ends it"
