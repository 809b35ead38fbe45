"""`trace`: the log lines of one workflow id, in order of time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sf_actors import get_logger
from sf_actors.testing import module_of
from tests.support.services import ECHO_ADDRESSES, replyers, service_of
from tests.support.shell import looked_at

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Shell


def line(time: int, workflow_id: object, event: str) -> str:
    stamp = f"2026-01-31T12:00:0{time}.000000Z"
    fields = {"timestamp": stamp, "level": "info", "event": event, "service": "desk"}
    return json.dumps(fields | {"workflow_id": workflow_id}) + "\n"


def events(found: Any) -> list[str]:
    return [one["event"] for one in found.objects]


def test_lines_of_all_files_and_rotated_ones_come_in_order_of_time(
    shell: Shell, tmp_path: Path
) -> None:
    (tmp_path / "a.log").write_text(line(3, "w1", "third") + line(1, "w2", "other") + "no line\n")
    (tmp_path / "a.log.2026-01-31_11").write_text(line(1, "w1", "first"))
    (tmp_path / "b.log").write_text(line(2, "w1", "second") + line(4, None, "w1"))
    found = shell("trace", "w1", "--logs", str(tmp_path / "a.log"), str(tmp_path / "b.log"))

    assert found.status == 0
    assert events(found) == ["first", "second", "third"]


def test_an_id_that_is_no_text_is_found_as_json_shows_it(shell: Shell, tmp_path: Path) -> None:
    whole = {"a": [1, "x"]}
    (tmp_path / "a.log").write_text(
        line(1, 5, "five") + line(2, "é", "accent") + line(3, whole, "whole")
    )
    logs = ["--logs", str(tmp_path / "a.log")]

    assert events(shell("trace", "5", *logs)) == ["five"]
    assert events(shell("trace", "é", *logs)) == ["accent"]
    assert events(shell("trace", '{"a": [1, "x"]}', *logs)) == ["whole"]


def test_an_id_with_what_a_log_escapes_is_found(shell: Shell, tmp_path: Path) -> None:
    given = "é\u2028\n\\"
    log = tmp_path / "desk.log"
    module = module_of(main=lambda: get_logger().info("asked", workflow_id=given))
    service_of(module, name="desk", log_path=log).run_service_as_main_blocking()

    assert events(shell("trace", given, "--logs", str(log))) == ["asked"]


def test_an_id_that_begins_with_a_dash_comes_after_two(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(line(1, "-w1", "asked"))
    found = shell("trace", "--logs", str(tmp_path / "a.log"), "--", "-w1")

    assert (found.status, events(found)) == (0, ["asked"])
    assert shell("trace", "--", "-w1", "-w2").err == "sf_actors: unrecognized arguments: -w2\n"


def test_none_is_exit_status_1_and_a_file_that_is_not_there_is_told(
    shell: Shell, tmp_path: Path
) -> None:
    found = shell("trace", "w1", "--logs", str(tmp_path / "nosuch.log"))

    assert found.status == 1
    assert found.out == ""
    assert "nosuch.log: No such file or directory" in found.err
    assert "no line of 'w1' in 1 log files" in found.err


def test_the_log_files_of_what_runs_are_found(shell: Shell, tmp_path: Path) -> None:
    def on_request(args: dict[str, Any]) -> dict[str, Any]:
        get_logger().info("asked", n=args["n"])
        return {"n": args["n"]}

    module = module_of(connection_models=replyers(echo=on_request))
    log_path = tmp_path / "desk.log"
    service = service_of(module, addresses=ECHO_ADDRESSES, name="desk", log_path=log_path)
    with looked_at(service):
        assert shell("call", "desk/echo", "n=1").status == 0
        workflow_id = next(
            one["workflow_id"]
            for one in map(json.loads, log_path.read_text().splitlines())
            if one["event"] == "asked"
        )
        found = shell("trace", workflow_id)

    assert events(found) == ["asked"]
