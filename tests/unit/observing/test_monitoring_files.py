"""Alert rules and the Grafana dashboard: they speak of metrics that exist, and each rule has its entry in docs."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from segue_worker.observing.metrics.registry import METRICS

from .series import series_names

ROOT = Path(__file__).parents[3]
BY_NAME = {metric.name: metric for metric in METRICS}
MONITORING = ROOT / "deploy" / "monitoring"
DASHBOARD: dict[str, Any] = json.loads((MONITORING / "grafana/dashboards/segue.json").read_text(encoding="utf-8"))
RULES: dict[str, Any] = YAML(typ="safe").load(MONITORING / "rules.yml")


def queries() -> Iterator[tuple[str, str]]:
    for group in RULES["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
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
    asked = {target["datasource"]["uid"] for panel in DASHBOARD["panels"] for target in panel["targets"]}
    assert asked <= uids
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


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
