"""What a fleet file says of a service reaches it, in processes and in one."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.support.fleets import QUIET, assert_nothing_is_left, fleet_in, up, wait_until_ready
from tests.support.ports import held_port
from tests.support.shell import ran, ran_here

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

PLACEMENTS = pytest.mark.parametrize(
    "placement", [(), ("--in-process",)], ids=["processes", "process"]
)

TALKING = """
import os
from sf_actors import get_logger
config_model = {"required": {"greeting": str, "instance": int}}
def init_function(config):
    log = get_logger()
    log.debug("at debug"), log.info("at info"), log.warning("at warning")
    print(config["greeting"], config["instance"], os.environ["COLOUR"], os.getcwd(), flush=True)
def on_ask(args):
    return {}
def main(stopping):
    stopping.wait()
connection_models = {"in": {"ask": {"connection_type": "replyer",
    "required_creation_arguments": {"on_ask": on_ask}}}}
"""

SETTINGS = """
[defaults]
env = {{ COLOUR = "green" }}
[services.talker]
file = "talker.py"
main = true
allow_inbound = true
config = {{ greeting = "hello" }}
loglevel = "DEBUG"
file_loglevel = "WARNING"
http = "127.0.0.1:{port}"
"""


def status_at(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@PLACEMENTS
def test_levels_environment_config_folder_and_http_are_as_the_file_says(
    tmp_path: Path, placement: tuple[str, ...]
) -> None:
    with held_port() as port:
        fleet_in(tmp_path, SETTINGS.format(port=port), talker=TALKING)
        with up(tmp_path, *placement) as process:
            wait_until_ready(process, "talker")
            assert status_at(port, "/readyz") == 200
            (row,) = ran_here("ps", "--json", cwd=tmp_path).objects
            assert (row["service"], row["phase"]) == ("talker", "READY")
            process.interrupt()
            assert process.wait() == 0
    shown = [json.loads(line) for line in process.out]
    kept = [json.loads(line) for line in (tmp_path / "logs/talker.log").read_text().splitlines()]
    of_ours = {"at debug", "at info", "at warning"}
    assert of_ours <= {line["event"] for line in shown}
    assert of_ours & {line["event"] for line in kept} == {"at warning"}
    assert any(line["event"] == f"hello 1 green {tmp_path.resolve()}" for line in shown)
    assert_nothing_is_left(tmp_path)


def test_two_instances_at_one_http_port_are_an_error_before_the_start(tmp_path: Path) -> None:
    toml = '[services.quiet]\nfile = "quiet.py"\nhttp = "127.0.0.1:8123"\ninstances = 2\n'
    fleet_in(tmp_path, toml, quiet=QUIET)
    done = ran_here("up", cwd=tmp_path)
    assert (done.status, "E103" in done.err) == (1, True)
    assert not (tmp_path / "logs").exists()


def test_what_has_an_http_port_of_its_own_is_not_scaled_and_never_beside_itself(
    tmp_path: Path,
) -> None:
    with held_port() as port:
        toml = f'[services.quiet]\nfile = "quiet.py"\nhttp = "127.0.0.1:{port}"\ninstances = 1\n'
        fleet_in(tmp_path, toml, quiet=QUIET)
        with up(tmp_path) as process:
            wait_until_ready(process, "quiet#1")
            done = ran_here("scale", "quiet", "2", cwd=tmp_path)
            assert (done.status, "its http is at" in done.err) == (1, True)
            done = ran_here("restart", "--rolling", cwd=tmp_path)
            assert done.status == 0
            assert "stopped, then started: it has http in the file" in done.err
            assert status_at(port, "/livez") == 200


@PLACEMENTS
def test_a_restart_lets_lines_be_shown_and_kept_as_the_file_says_by_then(
    tmp_path: Path, placement: tuple[str, ...]
) -> None:
    toml = SETTINGS.format(port=0)
    fleet_in(tmp_path, toml.replace('"DEBUG"', '"ERROR"'), talker=TALKING)
    with up(tmp_path, *placement) as process:
        wait_until_ready(process, "talker")
        (tmp_path / "fleet.toml").write_text(toml.replace('"WARNING"', '"DEBUG"'))
        assert ran_here("restart", "talker", cwd=tmp_path).status == 0
        process.wait_for_line("at debug")
    log = (tmp_path / "logs/talker.log").read_text()
    assert log.count("at debug") == 1


@PLACEMENTS
def test_a_restart_has_the_environment_that_the_file_says_by_then(
    tmp_path: Path, placement: tuple[str, ...]
) -> None:
    toml = SETTINGS.format(port=0)
    fleet_in(tmp_path, toml, talker=TALKING)
    with up(tmp_path, *placement) as process:
        process.wait_for_line("hello 1 green")
        (tmp_path / "fleet.toml").write_text(toml.replace("green", "blue"))
        assert ran_here("restart", "talker", cwd=tmp_path).status == 0
        process.wait_for_line("hello 1 blue")


def test_services_of_one_process_cannot_want_different_environments(tmp_path: Path) -> None:
    texts = [
        f'[services.{name}]\nfile = "quiet.py"\nenv = {{ COLOUR = "green" }}\n'
        for name in ("one", "two")
    ]
    fleet_in(tmp_path, "".join(texts), quiet=QUIET)
    problem = "one and two want different values of COLOUR"
    with up(tmp_path, "--in-process") as process:
        wait_until_ready(process, "one", "two")
        changed = texts[0] + texts[1].replace("green", "blue")
        (tmp_path / "fleet.toml").write_text(changed)
        done = ran_here("restart", cwd=tmp_path)
        assert (done.status, problem in done.err) == (2, True)
        process.interrupt()
        assert process.wait() == 0
    for verb in ("check", "up"):
        done = ran(verb, "--in-process", cwd=tmp_path)
        assert (done.status, problem in done.err) == (2, True)


@PLACEMENTS
def test_the_environment_may_hold_what_the_locale_cannot_encode(
    tmp_path: Path, placement: tuple[str, ...]
) -> None:
    toml = """[services.talker]
file = "talker.py"
main = true
env = { COLOUR = "grün 日", OTHER = "${RAW}" }
"""
    source = """
import os
def main():
    print(*(os.environb[name].hex() for name in (b"COLOUR", b"OTHER")))
"""
    fleet_in(tmp_path, "", talker=source)
    (tmp_path / "fleet.toml").write_text(toml, encoding="utf-8")
    ascii_alone = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    found = ran("up", *placement, cwd=tmp_path, RAW="\udcff", **ascii_alone)
    assert (found.status, "Traceback" in found.err) == (0, False)
    assert f"{'grün 日'.encode().hex()} ff" in found.out
