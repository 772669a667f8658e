"""Alert rules and the Grafana dashboard: they speak of metrics that exist, and each rule has its entry in docs."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from segue_worker.observing.metrics.registry import METRICS
from segue_worker.outbox.histogram import BOUNDS_MS
from tests import needs

from .series import series_names

ROOT = Path(__file__).parents[3]
BY_NAME = {metric.name: metric for metric in METRICS}
MONITORING = ROOT / "deploy" / "monitoring"
DASHBOARD: dict[str, Any] = json.loads((MONITORING / "grafana/dashboards/segue.json").read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
RULES: dict[str, Any] = YAML(typ="safe").load(MONITORING / "rules.yml")


def queries() -> Iterator[tuple[str, str]]:
    for group in RULES["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["query"]


def metric_of(series: str) -> str:
    return series if series in BY_NAME else re.sub("_(bucket|sum|count)$", "", series)


@pytest.mark.parametrize(("where", "query"), list(queries()))
def test_a_query_uses_only_series_and_labels_that_exist(where: str, query: str) -> None:
    used = re.findall(r"\bsegue_\w+", query)
    assert set(used) <= series_names(), where
    # `up` is Prometheus's own.
    assert used or query.startswith("up{"), where
    known = {"destination", "le", *(label for series in used for label in BY_NAME[metric_of(series)].labels)}
    labels = set(re.findall(r'(\w+)[=!]~?=?"', query)) - ({"job"} if not used else set())
    for listed in re.findall(r"\b(?:by|on) \(([^)]*)\)", query):
        labels |= {label.strip() for label in listed.split(",") if label}
    assert labels <= known, where


def test_every_metric_of_a_counter_is_asked_for_its_rate() -> None:
    for where, query in queries():
        for series in re.findall(r"\bsegue_\w+", query):
            if BY_NAME[metric_of(series)].kind != "gauge":
                assert re.search(rf"\b(rate|increase) ?\({series}", query), where


def test_the_dashboard_asks_the_data_source_that_is_provisioned() -> None:
    provisioned = YAML(typ="safe").load(MONITORING / "grafana/provisioning/datasources/prometheus.yml")
    uids = {source["uid"] for source in provisioned["datasources"]}
    asked = {target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]}
    assert asked <= uids
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_panels_do_not_overlap_and_none_is_wider_than_the_page() -> None:
    taken = [
        (x, y)
        for grid in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


def test_every_alert_is_linked_from_a_panel_that_shows_it() -> None:
    names = {rule["alert"] for group in RULES["groups"] for rule in group["rules"]}
    links = [link["url"] for panel in PANELS for link in panel.get("links", ())]
    assert {link.removeprefix("${runbook}#") for link in links} == {name.lower() for name in names}
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    mounted = "./docs:/usr/share/grafana/public/segue:ro"
    assert mounted in YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]["grafana"]["volumes"]
    assert variables["runbook"]["query"] == "/public/segue/running.md"


def test_numbers_that_stand_alone_say_whether_they_are_good() -> None:
    stats = [panel for panel in PANELS if panel["type"] == "stat"]
    assert all(len(panel["fieldConfig"]["defaults"]["thresholds"]["steps"]) > 1 for panel in stats)


def test_the_objective_is_a_class_of_the_histogram() -> None:
    (within,) = [each for each in DASHBOARD["templating"]["list"] if each["name"] == "within"]
    assert {float(each["value"]) * 1000 for each in within["options"]} <= set(BOUNDS_MS)
    # As prometheus-client writes it.
    assert all(each["value"] == str(float(each["value"])) for each in within["options"])


def query_of(title: str, *, of: int = 0) -> str:
    """A query of a panel as Prometheus is asked it."""
    (panel,) = [panel for panel in PANELS if panel["title"] == title]
    return filled_in(panel["targets"][of]["expr"])


def filled_in(expression: str) -> str:
    """A query with values in the place of Grafana's variables."""
    values = {"$destination": ".*", "$__rate_interval": "1m", "$__range": "1h", "$within": "60.0", "$objective": "0.99"}
    return re.sub(r"\$\w+", lambda found: values[found[0]], expression)


def promtool(path: Path, command: list[str], content: Any) -> subprocess.CompletedProcess[str]:
    YAML().dump(content, path)
    return subprocess.run([needs.PROMTOOL, *command, str(path)], check=False, capture_output=True, text=True)


@needs.promtool
def test_prometheus_takes_every_query_of_the_dashboard(tmp_path: Path) -> None:
    expressions = [filled_in(target["expr"]) for panel in PANELS for target in panel["targets"]]
    rules = [{"record": f"query:{number}", "expr": expression} for number, expression in enumerate(expressions)]
    done = promtool(tmp_path / "rules.yml", ["check", "rules"], {"groups": [{"name": "dashboard", "rules": rules}]})
    assert (done.returncode, done.stderr) == (0, "")


@needs.promtool
@pytest.mark.parametrize(
    ("in_time", "dead", "share", "left", "burn"), [(995, 0, 0.995, 0.5, 0.5), (990, 10, 0.98, -1, 2)]
)
def test_the_error_budget_is_what_may_still_be_late_or_die(  # noqa: PLR0913, PLR0917 - what it is computed of
    tmp_path: Path, in_time: int, dead: int, share: float, left: float, burn: float
) -> None:
    delivered = 1000 - dead
    given = {
        'segue_delivery_seconds_bucket{destination="loops",le="60.0"}': min(in_time, delivered) - (10 if dead else 0),
        'segue_delivery_seconds_bucket{destination="loops",le="300.0"}': delivered,
        'segue_delivery_seconds_count{destination="loops"}': delivered,
        'segue_dead_letters_total{destination="loops"}': dead,
    }
    expected = {
        query_of("Within the objective, 30 days"): share,
        query_of("Error budget left, 30 days"): left,
        query_of("Error budget burn"): burn,
    }
    asked = [
        {"expr": f"round({expression}, 0.0001)", "eval_time": "2h", "exp_samples": [{"labels": "{}", "value": value}]}
        for expression, value in expected.items()
    ]
    series = [{"series": name, "values": f"0+{step}x120"} for name, step in given.items()]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": asked}
    done = promtool(tmp_path / "test.yml", ["test", "rules"], {"rule_files": [], "tests": [test]})
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_mounted_exists_and_paths_agree() -> None:
    compose = YAML(typ="safe").load(ROOT / "docker-compose.yml")
    for name in ("prometheus", "grafana"):
        service = compose["services"][name]
        assert service["profiles"] == ["monitoring"]
        for volume in service["volumes"]:
            source, target = volume.split(":")[:2]
            assert not source.startswith("./") or (ROOT / source).exists(), target
        assert not service["image"].endswith(":latest")
    provider = YAML(typ="safe").load(MONITORING / "grafana/provisioning/dashboards/segue.yml")["providers"][0]
    targets = [volume.split(":")[1] for volume in compose["services"]["grafana"]["volumes"]]
    assert provider["options"]["path"] in targets
    assert compose["services"]["grafana"]["environment"]["GF_PATHS_CONFIG"] in targets


def test_prometheus_asks_the_port_of_the_dashboard() -> None:
    service = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]["dashboard"]
    (job,) = YAML(typ="safe").load(MONITORING / "prometheus.yml")["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    assert target == f"dashboard:{service['ports'][0].rpartition(':')[2]}"


def test_every_alert_has_its_entry_for_whoever_is_called() -> None:
    text = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
    alerts = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
    entries = dict(re.findall(r"^### (Segue\w+)\n(.*?)(?=^##)", text, re.MULTILINE | re.DOTALL))
    assert list(entries) == list(alerts)
    for name, entry in entries.items():
        assert [part in entry for part in ("**Means:**", "**Look at:**", "**Do")] == [True] * 3, name
        assert alerts[name]["annotations"]["runbook"] == f"docs/running.md#{name.lower()}"
