"""A fleet that has one of each, exported with its keys and read by what runs it."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from sf_actors.cli.arguments import Arguments, parse
from tests.conformance.test_placements import FLEET
from tests.support.manifests import documents_in, require_valid
from tests.support.processes import PATIENCE_S
from tests.support.shell import ran

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "fleet"
    shutil.copytree(FLEET, folder)
    text = (folder / "fleet.toml").read_text()
    (folder / "fleet.toml").write_text(text.replace("[fleet]", '[fleet]\nkeys = "keys"'))
    assert ran("keys", "fleet", cwd=folder).status == 0
    return folder


def test_kubernetes_takes_each_kind_and_its_commands_are_ours(fleet: Path) -> None:
    done = ran("export", "kubernetes", "--image", "me/it:1", "-o", "k8s", cwd=fleet)
    assert done.status == 0, done.err

    documents = documents_in(fleet / "k8s")
    assert {one["kind"] for one in documents} == {
        *("ConfigMap", "Job", "Secret", "Service", "StatefulSet")
    }
    for one in documents:
        require_valid(one)
    workloads = [one for one in documents if one["kind"] in {"Job", "StatefulSet"}]
    assert len(workloads) == 8
    for one in workloads:
        pod = one["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        program, *argv = container["command"][2:]
        assert program == "sf_actors"
        assert "readinessProbe" in container
        if argv[0] != "bus":
            understood = parse(argv)
            assert isinstance(understood, Arguments)
            assert understood.stop_timeout_s < pod["terminationGracePeriodSeconds"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_nothing_wrong(fleet: Path) -> None:
    done = ran("export", "systemd", "-o", "units", cwd=fleet)
    assert done.status == 0, done.err
    units = sorted(
        path.name for path in (fleet / "units").iterdir() if path.suffix in {".service", ".target"}
    )
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        cwd=fleet / "units",
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert len(units) == 9
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
