"""`dashboards`: what Grafana and Prometheus are given speaks of metrics that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from sf_actors import SfActorsError
from sf_actors.cli.verbs import dashboards
from sf_actors.inspection.http.metrics import _FAMILIES

if TYPE_CHECKING:
    from pathlib import Path

NAME = re.compile(r"sf_actors_[a-z_]+")
#: What Prometheus makes of a histogram.
SERIES = {*_FAMILIES, "sf_actors_handler_seconds_bucket"}


@pytest.fixture
def written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "a" / "monitoring"
    assert dashboards.run(["-o", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [str(folder / "grafana.json"), str(folder / "alerts.yml")]
    return folder


def test_the_dashboard_asks_for_metrics_that_there_are(written: Path) -> None:
    dashboard = json.loads((written / "grafana.json").read_text())

    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in NAME.findall(target["expr"])
    }
    assert asked
    assert asked <= SERIES
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    assert variables == {"datasource", "service"}


def test_the_panels_of_the_dashboard_lie_side_by_side(written: Path) -> None:
    panels = json.loads((written / "grafana.json").read_text())["panels"]

    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels) == len({panel["id"] for panel in panels})


def test_the_alerts_are_rules_about_metrics_that_there_are(written: Path) -> None:
    (group,) = yaml.safe_load((written / "alerts.yml").read_text())["groups"]

    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"]) > 5
    for rule in group["rules"]:
        assert set(NAME.findall(rule["expr"])) <= SERIES
        assert rule["for"].endswith("m")
        assert "{{ $labels.service }}" in rule["annotations"]["summary"]
        assert_balanced(rule["expr"])


def test_every_counter_of_trouble_has_an_alert(written: Path) -> None:
    text = (written / "alerts.yml").read_text()

    for name in ("state_phase", "handled", "dropped", "missed", "timeouts", "restarts", "queued"):
        assert f"sf_actors_{name}" in text


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_takes_the_alerts(written: Path) -> None:
    subprocess.run(["promtool", "check", "rules", str(written / "alerts.yml")], check=True)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(SfActorsError, match="-o: cannot write to"):
        dashboards.run(["-o", str(tmp_path / "file")])


def assert_balanced(expression: Any) -> None:
    for one, other in ("()", "{}", "[]"):
        assert expression.count(one) == expression.count(other)
