"""What an instance prints, as lines of its file and lines that are shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sf_actors.fleet.fleet import FleetService
from sf_actors.fleet.instance_log import InstanceLog, log_path

if TYPE_CHECKING:
    from pathlib import Path


def logged(
    folder: Path, *lines: tuple[str, bytes], **levels: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what is shown of lines, and what stands in the file."""
    shown: list[dict[str, Any]] = []
    service = FleetService(name="a", **levels)  # type: ignore[arg-type]
    log = InstanceLog("a#1", service, folder, lambda _name, line: shown.append(line))
    for stream, raw in lines:
        log.take(stream, raw)
    log.close()
    text = log_path(folder, "a#1").read_text()
    return shown, [json.loads(line) for line in text.splitlines()]


def line_of(level: str, event: str = "x") -> bytes:
    return json.dumps(
        {"timestamp": "2026-01-01T00:00:00Z", "level": level, "event": event, "service": "a#1"}
    ).encode()


def test_a_print_is_a_line_with_its_stream(tmp_path: Path) -> None:
    shown, written = logged(tmp_path, ("stdout", b"hello"), ("stderr", b"\x1b[31m\xff"))

    assert [(line["event"], line["stream"]) for line in shown] == [
        ("hello", "stdout"),
        ("\x1b[31m\\xff", "stderr"),
    ]
    assert written == shown
    assert {line["service"] for line in written} == {"a#1"}
    assert "\x1b" not in log_path(tmp_path, "a#1").read_text()


def test_a_line_of_a_logger_is_kept_as_it_is(tmp_path: Path) -> None:
    shown, written = logged(tmp_path, ("stderr", line_of("info")))

    assert shown == written == [json.loads(line_of("info"))]


def test_a_line_of_a_logger_is_found_behind_text_without_a_newline(tmp_path: Path) -> None:
    """A progress bar had swallowed the line, and its level with it."""
    bar = b"\r10% [#  ]"
    shown, written = logged(
        tmp_path,
        ("stderr", bar + b"\x1e" + line_of("error")),
        ("stderr", b"\x1e" + line_of("info")),
    )

    assert [(line["level"], line["event"]) for line in shown] == [
        ("info", "\r10% [#  ]"),
        ("error", "x"),
        ("info", "x"),
    ]
    assert written == shown
    assert b"\x1e" not in log_path(tmp_path, "a#1").read_bytes()


def test_what_only_looks_like_a_line_is_a_print(tmp_path: Path) -> None:
    shown, _ = logged(tmp_path, ("stdout", b'{"timestamp": 7}'), ("stdout", b'{"timestamp": '))

    assert [line["stream"] for line in shown] == ["stdout", "stdout"]


def test_the_file_and_the_console_have_levels_of_their_own(tmp_path: Path) -> None:
    lines = [("stderr", line_of(level, level)) for level in ("debug", "info", "error")]
    shown, written = logged(tmp_path, *lines, loglevel="ERROR", file_loglevel="DEBUG")

    assert [line["event"] for line in shown] == ["error"]
    assert [line["event"] for line in written] == ["debug", "info", "error"]


def test_levels_that_are_the_same_are_left_to_the_service(tmp_path: Path) -> None:
    shown, written = logged(tmp_path, ("stderr", line_of("debug")))

    assert len(shown) == len(written) == 1


def test_levels_and_files_kept_are_those_of_the_file_by_now(tmp_path: Path) -> None:
    shown: list[str] = []
    service = FleetService(name="a", file_loglevel="ERROR")
    log = InstanceLog("a", service, tmp_path, lambda _name, line: shown.append(line["event"]))
    log.take("stderr", line_of("info", "before"))
    log.follow(FleetService(name="a", loglevel="ERROR", backup_count=3))
    log.take("stderr", line_of("info", "after"))
    log.close()

    assert shown == ["before"]
    written = log_path(tmp_path, "a").read_text().splitlines()
    assert [json.loads(line)["event"] for line in written] == ["after"]
