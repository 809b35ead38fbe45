"""A fleet as units of systemd, read by systemd and run as they say."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.fleet.export.services import FLEET, write_fleet
from tests.support.processes import PATIENCE_S, Process
from tests.support.shell import ran

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture
def market(tmp_path: Path) -> Path:
    write_fleet(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def as_it_is(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a fleet that is exported, and stays as it is."""
    folder = tmp_path_factory.mktemp("market")
    write_fleet(folder)
    exported(folder)
    return folder


def exported(market: Path, *flags: str) -> dict[str, str]:
    done = ran("export", "systemd", "-o", "units", *flags, cwd=market)
    assert (done.status, done.err) == (0, "")
    return files_of(market)


def files_of(market: Path) -> dict[str, str]:
    folder = market / "units"
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def test_each_service_is_a_unit_and_instances_are_a_template(as_it_is: Path) -> None:
    files = files_of(as_it_is)

    assert sorted(files) == [
        ".sf_actors-export",
        "addresses/caller.json",
        "addresses/pricer@1.json",
        "addresses/pricer@2.json",
        "config/pricer.json",
        "market-bus.service",
        "market-caller.service",
        "market-pricer@.service",
        "market.target",
    ]
    pricer = files["market-pricer@.service"]
    for line in (
        "Type=notify",
        "Restart=on-failure",
        "RestartPreventExitStatus=2",
        "TimeoutStopSec=15",
        f"WorkingDirectory={as_it_is}",
        'Environment="TITLE=50%% of $HOME"',
    ):
        assert line in pricer.splitlines()
    assert '--name "pricer#%i"' in pricer
    assert "--instance %i" in pricer
    caller = files["market-caller.service"].splitlines()
    assert "After=market-pricer@1.service market-pricer@2.service" in caller
    assert "Restart=no" in caller
    assert "BindsTo=market-caller.service" in files["market.target"].splitlines()
    assert files["config/pricer.json"] == '{"factor": 1.50}\n'


def test_the_same_fleet_gives_the_same_bytes(as_it_is: Path) -> None:
    assert files_of(as_it_is) == exported(as_it_is)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_nothing_wrong_with_them(as_it_is: Path) -> None:
    assert verified(as_it_is) == (0, "", "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_control_characters_of_a_variable_end_no_line_of_a_unit(market: Path) -> None:
    title = r'TITLE = "50% of $HOME"'
    assert title in FLEET
    odd = r'TITLE = "a\r\nExecStartPre=/no\rRestart=no\u001b\t\u007f"'
    (market / "fleet.toml").write_text(FLEET.replace(title, odd))
    files = exported(market)

    written = r'Environment="TITLE=a\x0d\x0aExecStartPre=/no\x0dRestart=no\x1b\x09\x7f"'
    assert written in files["market-pricer@.service"].split("\n")
    assert verified(market) == (0, "", "")


def verified(market: Path) -> tuple[int, str, str]:
    """Return what systemd says of exported units."""
    units = [name for name in files_of(market) if name.endswith((".service", ".target"))]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        cwd=market / "units",
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_another_root_and_python_are_where_it_runs(market: Path) -> None:
    files = exported(market, "--root", "/srv/market", "--python", "/opt/py/bin/python")

    pricer = files["market-pricer@.service"]
    assert "WorkingDirectory=/srv/market\n" in pricer
    assert "ExecStart=/opt/py/bin/python -m sf_actors -s /srv/market/pricer.py " in pricer
    assert " -a /srv/market/units/addresses/pricer@%i.json " in pricer
    assert ran("export", "systemd", "-o", "units", "--root", "srv", cwd=market).status == 2


def test_machines_reach_each_other_by_tcp(market: Path) -> None:
    text = FLEET.replace("instances = 2", 'host = "big"')
    text = text.replace("bus = true\n", 'bus = true\nhost = "big"\n') + 'host = "small"\n'
    (market / "fleet.toml").write_text(text)
    files = exported(market)

    assert '"replyer": "0.0.0.0:27100"' in files["big/addresses/pricer.json"]
    assert '"requester": "big:27100"' in files["small/addresses/caller.json"]
    assert "caller" not in files["big/market.target"]

    (market / "fleet.toml").write_text(text.replace('host = "small"\n', ""))
    done = ran("export", "systemd", "-o", "units", cwd=market)
    assert done.status == 2
    assert "expected a host for each service" in done.err


def test_units_run_as_they_say_and_tell_when_they_are_ready(as_it_is: Path) -> None:
    files = files_of(as_it_is)
    runtime = as_it_is / "run"
    env = {"RUNTIME_DIRECTORY": str(runtime), "NOTIFY_SOCKET": str(as_it_is / "n")}
    runtime.mkdir(mode=0o700)

    def command(unit: str, number: str) -> list[str]:
        (line,) = re.findall(r"^ExecStart=(.*)$", files[unit], re.MULTILINE)
        words = [word.replace("%i", number).replace("$$", "$") for word in shlex.split(line)]
        assert words[:3] == [sys.executable, "-m", "sf_actors"]
        return words[3:]

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(as_it_is / "n"))
        listening.settimeout(PATIENCE_S)
        with (
            Process(*command("market-pricer@.service", "1"), cwd=as_it_is, env=env) as one,
            Process(*command("market-pricer@.service", "2"), cwd=as_it_is, env=env) as other,
        ):
            assert [listening.recv(100) for _ in range(2)] == [b"READY=1"] * 2
            with Process(*command("market-caller.service", ""), cwd=as_it_is, env=env) as caller:
                assert caller.wait() == 0
                assert caller.out == ["3.0"]
            one.interrupt(signal.SIGTERM)
            other.interrupt(signal.SIGTERM)
            assert (one.wait(), other.wait()) == (0, 0)
            assert any('"service": "pricer#2"' in line for line in other.err)
