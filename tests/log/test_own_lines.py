"""The package's own lines: like users' lines, without what takes long to import."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from msgspec import UNSET
from structlog.contextvars import bound_contextvars

from sf_actors.log import WORKFLOW_ID, LogScope, PackageLogger, get_logger, package_logger
from tests.support.interpreter import printed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.log.lines import Console

OURS = package_logger()

PLAIN = """
import sys
from sf_actors import Service
from sf_actors.testing import module_of
module = module_of("plain", main=lambda: None)
Service(module, log_path={path!r}).run_service_as_main_blocking()
print("structlog" in sys.modules)
"""


@pytest.mark.slow
def test_a_service_without_a_logger_of_its_own_does_without_structlog(tmp_path: Path) -> None:
    path = tmp_path / "plain.log"
    assert printed(PLAIN.format(path=str(path))).splitlines()[-1] == "False"
    assert '"event": "ready"' in path.read_text()


@pytest.mark.usefixtures("svc")
def test_a_line_is_whole_while_another_thread_imports_structlog(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "structlog.contextvars", ModuleType("structlog.contextvars"))
    OURS.info("ready", model="echo")
    (line,) = console.lines()
    assert (line["event"], line["model"], "log_error" in line) == ("ready", "echo", False)


@pytest.mark.usefixtures("svc")
def test_it_has_the_fields_of_a_users_line_in_the_same_order(console: Console) -> None:
    token = WORKFLOW_ID.set("w-1")
    try:
        with bound_contextvars(desk=7, service="mine", event="none of ours"):
            OURS.warning("something", model="x", n=1)
            get_logger().warning("something", model="x", n=1)
    finally:
        WORKFLOW_ID.reset(token)
    ours, theirs = console.lines()
    assert list(ours) == list(theirs)
    ours.pop("timestamp"), theirs.pop("timestamp")
    assert ours == theirs
    assert (ours["desk"], ours["service"], ours["service_"]) == (7, "svc", "mine")


@pytest.mark.usefixtures("svc")
def test_the_exception_that_is_handled_is_shown_and_none_where_there_is_none(
    console: Console,
) -> None:
    try:
        raise LookupError("gone")
    except LookupError:
        OURS.exception("failed", n=1)
    OURS.error("failed", exc_info=True)
    with_it, without = console.lines()
    assert with_it["exception"].endswith("LookupError: gone")
    assert "exception" not in without
    assert "exc_info" not in without


@pytest.mark.usefixtures("svc")
def test_a_value_that_cannot_be_shown_costs_no_line(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_fields: object) -> None:
        raise ValueError("no")

    monkeypatch.setattr("sf_actors.log.own_lines.with_texts_cut", fail)
    OURS.info("something", n=1)
    line = console.line()
    assert (line["event"], line["log_error"]) == ("something", "ValueError('no')")


def test_below_the_level_nothing_is_made(
    svc: LogScope, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    svc.set_levels("ERROR", UNSET)

    def fail(*_: object) -> None:
        pytest.fail("a line was made")

    monkeypatch.setattr(PackageLogger, "_write", fail)
    OURS.warning("something")
    assert not console.lines()
