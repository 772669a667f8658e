"""Each alert fires when it should, and none does when nobody need look: what happens, and exactly which alerts it raises.

The rules are run by promtool over series as Prometheus would have stored them, a value a minute.
"""

import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from segue_worker.observing.metrics.registry import METRICS
from tests import needs

RULES: Final = Path(__file__).parents[3] / "deploy" / "monitoring" / "rules.yml"
HOURS: Final = 3
MINUTES: Final = 60 * HOURS
Series = Mapping[str, str]

# Three events a second, half of them merged away.
BUSY: Final[Series] = {
    'up{job="segue"}': "1x{n}",
    "segue_workers": "2x{n}",
    "segue_sweep_age_seconds": "1x{n}",
    "segue_pending_events": "12x{n}",
    "segue_pending_events_limit": "1000000x{n}",
    "segue_orphaned": "0x{n}",
    "segue_unknown_properties": "0x{n}",
    "segue_stalled_seconds": "0.4x{n}",
    'segue_lane_idle_seconds{lane="live"}': "0.4x{n}",
    'segue_lane_idle_seconds{lane="bulk"}': "0x{n}",
    'segue_paused{kind="hand"}': "0x{n}",
    'segue_paused{kind="refused"}': "0x{n}",
    'segue_paused{kind="down"}': "0x{n}",
    'segue_paused{kind="breaker"}': "0x{n}",
    "segue_requests_total": "0+90x{n}",
    "segue_rate_limited_total": "0+1x{n}",
    'segue_events_settled_total{outcome="delivered"}': "0+180x{n}",
    'segue_events_settled_total{outcome="filtered"}': "0x{n}",
    'segue_events_settled_total{outcome="duplicate"}': "0x{n}",
    "segue_dead_letters_total": "0x{n}",
    'segue_request_seconds_bucket{le="5"}': "0+90x{n}",
    'segue_request_seconds_bucket{le="20"}': "0+90x{n}",
    'segue_request_seconds_bucket{le="+Inf"}': "0+90x{n}",
    "segue_request_seconds_count": "0+90x{n}",
    'segue_tracking_api_refused_requests_total{reason="outbox_unavailable"}': "0x{n}",
    'segue_tracking_api_refused_requests_total{reason="invalid_write_key"}': "0+5x{n}",
}
NOTHING_ENDS: Final[Series] = {'segue_events_settled_total{outcome="delivered"}': "1000x{n}"}
NIGHT: Final[Series] = {
    **NOTHING_ENDS,
    "segue_pending_events": "0x{n}",
    "segue_stalled_seconds": "0x{n}",
    'segue_lane_idle_seconds{lane="live"}': "0x{n}",
    "segue_requests_total": "500x{n}",
    "segue_rate_limited_total": "0x{n}",
    'segue_request_seconds_bucket{le="5"}': "490x{n}",
    'segue_request_seconds_bucket{le="20"}': "500x{n}",
    'segue_request_seconds_bucket{le="+Inf"}': "500x{n}",
    "segue_request_seconds_count": "500x{n}",
}
# It is tried again four times an hour, and each answer takes seven seconds.
PARKED: Final[Series] = {
    **NIGHT,
    "segue_pending_events": "3x{n}",
    "segue_requests_total": "0x15 1x15 2x15 3x15 4x15 5x15 6x15 7x15 8x{n}",
    'segue_request_seconds_bucket{le="5"}': "0x{n}",
    'segue_request_seconds_bucket{le="20"}': "0x15 1x15 2x15 3x15 4x15 5x15 6x15 7x15 8x{n}",
    'segue_request_seconds_bucket{le="+Inf"}': "0x15 1x15 2x15 3x15 4x15 5x15 6x15 7x15 8x{n}",
    "segue_request_seconds_count": "0x15 1x15 2x15 3x15 4x15 5x15 6x15 7x15 8x{n}",
}
PLANNED: Final[Series] = {
    **NIGHT,
    'segue_paused{kind="hand"}': "1x{n}",
    "segue_pending_events": "0+180x{n}",
}
GONE: Final[Series] = dict.fromkeys(BUSY, "_x{n}")
STANDING: Final[Series] = {
    **NIGHT,
    "segue_pending_events": "0+180x{n}",
    "segue_stalled_seconds": "0+60x{n}",
    'segue_lane_idle_seconds{lane="live"}': "0+60x{n}",
}

QUIET: Final[Mapping[str, Series]] = {
    "a busy day": {},
    "a quiet night": NIGHT,
    "a contact that is parked within its day": PARKED,
    "a planned pause": PLANNED,
    "behind a planned pause, while it is caught up with": {
        'segue_paused{kind="hand"}': "1x150 0x{n}",
        'segue_lane_idle_seconds{lane="live"}': "0x150 9000-100x{n}",
        "segue_stalled_seconds": "0x150 9000 0x{n}",
    },
    "one dead letter among thousands": {"segue_dead_letters_total": "0x100 1x{n}"},
    "one dead letter in a quiet night": {**NIGHT, "segue_dead_letters_total": "0x100 1x{n}"},
    "a backlog that is worked off": {
        "segue_pending_events": "90000-180x{n}",
        'segue_lane_idle_seconds{lane="live"}': "600-3x{n}",
    },
    "a backfill that takes hours": {
        "segue_pending_events": "90000-180x{n}",
        'segue_lane_idle_seconds{lane="bulk"}': "0+60x{n}",
    },
    "a deployment": {"segue_workers": "2x100 0 2x{n}", "segue_sweep_age_seconds": "1x100 40 1x{n}"},
    "a short outage of Loops": {'segue_paused{kind="down"}': "0x100 1x3 0x{n}"},
    "an orphaned destination with dead letters alone": {"segue_orphaned": "1x{n}", "segue_pending_events": "0x{n}"},
    "only filtered events": {
        **NOTHING_ENDS,
        'segue_events_settled_total{outcome="filtered"}': "0+300x{n}",
        "segue_requests_total": "0x{n}",
    },
}
FIRING: Final[Mapping[str, tuple[Series, set[str]]]] = {
    "the dashboard is down": ({**GONE, 'up{job="segue"}': "1x100 0x{n}"}, {"SegueNotScraped"}),
    "nobody asks the dashboard any more": (GONE, {"SegueNotScraped"}),
    "no worker is alive": (
        {"segue_workers": "2x100 0x{n}", "segue_sweep_age_seconds": "1x100 0+60x{n}"},
        {"SegueNoWorker"},
    ),
    "no worker is alive, and events wait": (
        {**STANDING, "segue_workers": "0x{n}", "segue_sweep_age_seconds": "0+60x{n}"},
        {"SegueNoWorker", "SegueStandsStill", "SegueBehind"},
    ),
    "workers live, and do not sweep": ({"segue_sweep_age_seconds": "1x100 0+60x{n}"}, {"SegueSweepOld"}),
    "workers live, and never swept": ({"segue_sweep_age_seconds": "+Inf" + " +Inf" * MINUTES}, {"SegueSweepOld"}),
    "Loops is down": ({'segue_paused{kind="down"}': "0x100 1x{n}"}, {"SeguePaused"}),
    "Loops is down, and probes succeed now and then": (
        {'segue_paused{kind="down"}': "1 1 1 0 1 1 1 0" + " 1 1 1 0" * 44},
        {"SeguePaused"},
    ),
    "the key was refused": ({'segue_paused{kind="refused"}': "1x{n}"}, {"SeguePaused"}),
    "the breaker holds": ({'segue_paused{kind="breaker"}': "1x{n}"}, {"SeguePaused"}),
    "a destination is orphaned": ({"segue_orphaned": "1x{n}"}, {"SegueOrphaned"}),
    "a key of a destination is damaged": ({"segue_damaged": "1x{n}"}, {"SegueDamaged"}),
    "nothing is delivered while events are due": (STANDING, {"SegueStandsStill", "SegueBehind"}),
    "the same in bulk": (
        {
            **STANDING,
            'segue_lane_idle_seconds{lane="live"}': "0x{n}",
            'segue_lane_idle_seconds{lane="bulk"}': "0+60x{n}",
        },
        {"SegueStandsStill"},
    ),
    "every request is answered with 429": (
        {**NOTHING_ENDS, 'segue_lane_idle_seconds{lane="live"}': "0+60x{n}", "segue_rate_limited_total": "0+90x{n}"},
        {"SegueNothingDelivered", "SegueBehind", "SegueRateLimited"},
    ),
    "a few contacts are all there are, and none gets on": (
        {**NIGHT, "segue_pending_events": "12x{n}", "segue_requests_total": "0+3x{n}"},
        {"SegueNothingDelivered"},
    ),
    "more is enqueued than the limit lets through": (
        {"segue_pending_events": "0+500x{n}", 'segue_lane_idle_seconds{lane="live"}': "0+30x{n}"},
        {"SegueBehind"},
    ),
    "the outbox fills up": ({"segue_pending_events": "850000x{n}"}, {"SegueOutboxFillsUp"}),
    "every twentieth event dies": ({"segue_dead_letters_total": "0+9x{n}"}, {"SegueDeadLetters"}),
    "the few events there are die": (
        {**NIGHT, "segue_dead_letters_total": "0x60 1x40 2x{n}"},
        {"SegueDeadLetters"},
    ),
    "a property that Loops does not know": (
        {'segue_unknown_properties{kind="property",name="plan",status="unknown"}': "1x{n}"},
        {"SegueUnknownProperties"},
    ),
    "somebody else uses the limit": ({"segue_rate_limited_total": "0+9x{n}"}, {"SegueRateLimited"}),
    "answers are slow": ({'segue_request_seconds_bucket{le="5"}': "0+60x{n}"}, {"SegueSlowAnswers"}),
    "the Tracking API can store nothing": (
        {'segue_tracking_api_refused_requests_total{reason="outbox_unavailable"}': "0+3x{n}"},
        {"SegueTrackingApiRefuses"},
    ),
}


def _full(series: str, values: str, minutes: int) -> dict[str, str]:
    """A series as Prometheus has it, with the labels that the test did not write."""
    name, _, labels = series.partition("{")
    metric = next((each for each in METRICS if name.startswith(each.name)), None)
    own = 'destination="loops"' if metric and not metric.everywhere else ""
    parts = [each for each in ('job="segue",instance="dashboard:8720"', own, labels.removesuffix("}")) if each]
    if "job" in labels:
        parts = ['job="segue",instance="dashboard:8720"']
    return {"series": f"{name}{{{','.join(parts)}}}", "values": values.replace("{n}", str(minutes))}


def _case(name: str, changed: Series, expected: Iterable[str], minutes: int = MINUTES) -> dict[str, Any]:
    """A test of promtool's: the series, and which alerts fire at the end, all others not."""
    asked = {
        "expr": 'max by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": f"{minutes}m",
        "exp_samples": [{"labels": f'{{alertname="{each}"}}', "value": 1} for each in sorted(expected)],
    }
    given = [_full(series, values, minutes) for series, values in {**BUSY, **changed}.items()]
    return {"name": name, "interval": "1m", "input_series": given, "promql_expr_test": [asked]}


def run_promtool(directory: Path, *tests: dict[str, Any]) -> tuple[bool, str]:
    """Whether promtool's tests pass, and what it says."""
    path = directory / "rules_test.yml"
    YAML().dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": list(tests)}, path)
    done = subprocess.run([needs.PROMTOOL, "test", "rules", str(path)], check=False, capture_output=True, text=True)
    return not done.returncode, done.stdout + done.stderr


@needs.promtool
def test_nobody_is_called_when_nobody_need_look(tmp_path: Path) -> None:
    passed, said = run_promtool(tmp_path, *(_case(name, changed, ()) for name, changed in QUIET.items()))
    assert passed, said


@needs.promtool
def test_somebody_is_called_when_somebody_must_look(tmp_path: Path) -> None:
    passed, said = run_promtool(tmp_path, *(_case(name, *case) for name, case in FIRING.items()))
    assert passed, said


@needs.promtool
def test_the_check_would_notice_an_alert_too_many_or_too_few(tmp_path: Path) -> None:
    for changed, expected in ((GONE, ()), ({}, {"SegueNoWorker"})):
        passed, said = run_promtool(tmp_path, _case("wrong", changed, expected))
        assert (passed, "FAILED" in said) == (False, True)


@needs.promtool
def test_a_pause_by_hand_is_asked_about_after_a_day(tmp_path: Path) -> None:
    passed, said = run_promtool(
        tmp_path,
        _case("for less", PLANNED, (), minutes=23 * 60),
        _case("for more", PLANNED, {"SeguePauseForgotten"}, minutes=25 * 60),
        _case("it ends by itself", {**PLANNED, "segue_pause_ends_timestamp_seconds": "1e9x{n}"}, (), minutes=25 * 60),
        _case("nothing waits", {**PLANNED, "segue_pending_events": "0x{n}"}, (), minutes=25 * 60),
    )
    assert passed, said


@needs.promtool
def test_the_texts_of_an_alert_can_be_written(tmp_path: Path) -> None:
    given = [_full("segue_dead_letters_total", "0+9x70", 70), _full(*next(iter(NOTHING_ENDS.items())), 70)]
    asked = {"alertname": "SegueDeadLetters", "eval_time": "65m", "exp_alerts": []}
    test = {"interval": "1m", "input_series": given, "alert_rule_test": [asked]}
    _, said = run_promtool(tmp_path, test)
    assert "loops: 100% of what ended became dead letters" in said


def test_every_alert_is_seen_to_fire_and_every_series_is_one_that_there_is() -> None:
    rules: dict[str, Any] = YAML(typ="safe").load(RULES)
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert alerts == {name for _, names in FIRING.values() for name in names} | {"SeguePauseForgotten"}
    changes = [*QUIET.values(), *(changed for changed, _ in FIRING.values())]
    by_name = {metric.name: metric for metric in METRICS}
    for series in {name for changed in (BUSY, *changes) for name in changed} - {'up{job="segue"}'}:
        name, _, labels = series.partition("{")
        metric = by_name.get(name) or by_name[re.sub("_(bucket|count)$", "", name)]
        given = set(re.findall(r'(\w+)="', labels)) - {"le"}
        assert given <= set(metric.labels), series
