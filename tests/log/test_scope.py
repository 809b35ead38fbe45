from __future__ import annotations

import io
import json
import logging
import logging.config
import re
import sys
import threading
import timeit
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.errors import UsageError
from sf_actors.log import LogScope, get_logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

from tests.log.lines import DEADLINE_S, Console, Terminal, Unshowable, read

LOG = get_logger()


@pytest.mark.usefixtures("svc")
def test_a_terminal_gets_coloured_text(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.delenv("NO_COLOR", raising=False)

    try:
        raise ValueError("bad")
    except ValueError:
        LOG.exception("got", x=1)

    text = terminal.getvalue()
    assert "\x1b[" in text
    for part in ("got", "error", "service", "svc", "x", "ValueError: bad"):
        assert part in text


@pytest.mark.usefixtures("svc")
def test_a_terminal_without_colours_gets_text(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("NO_COLOR", "1")

    LOG.info("got", x=1, odd=Unshowable())
    LOG.info("got", x=1)

    odd, line = terminal.getvalue().splitlines()
    assert "Unshowable" in odd
    assert re.search(r"\[info +\] got +service=svc x=1", line)


class Broken(io.StringIO):
    def write(self, _: str) -> int:
        raise BrokenPipeError


class Odd(io.StringIO):
    def isatty(self) -> bool:
        raise KeyError("odd")


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.usefixtures("svc")
@pytest.mark.parametrize("stream", [None, closed(), Broken(), Odd()])
def test_a_console_that_is_gone_does_not_disturb(
    monkeypatch: pytest.MonkeyPatch, console: Console, stream: io.StringIO | None
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        LOG.info("into nowhere")
    LOG.info("back")

    assert console.line()["event"] == "back"


@pytest.mark.usefixtures("svc")
def test_a_console_that_is_not_unicode_gets_json_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(raw, encoding="ascii"))

    LOG.info("Größe 😀")

    assert json.loads(raw.getvalue())["event"] == "Größe 😀"


def test_standard_output_belongs_to_the_user(
    svc: LogScope, capsys: pytest.CaptureFixture[str]
) -> None:
    LOG.critical("x")

    assert capsys.readouterr().out == ""


class Crowd(io.StringIO):
    """Counts how many are in it at once."""

    inside = most = 0

    def write(self, text: str) -> int:
        self.inside += 1
        self.most = max(self.most, self.inside)
        threading.Event().wait(0.001)
        self.inside -= 1
        return len(text)


@pytest.mark.usefixtures("svc")
def test_one_thread_at_a_time_writes_to_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Crowd()
    monkeypatch.setattr(sys, "stderr", crowd)
    threads = [threading.Thread(target=LOG.info, args=("x",)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)

    assert crowd.most == 1


@pytest.mark.usefixtures("svc")
def test_lines_of_many_threads_do_not_mix(console: Console) -> None:
    def write(who: int) -> None:
        for number in range(100):
            LOG.info("x" * 200, who=who, number=number)

    threads = [threading.Thread(target=write, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)

    lines = console.lines()
    assert len(lines) == 800
    for who in range(8):
        assert [line["number"] for line in lines if line["who"] == who] == list(range(100))


@pytest.mark.parametrize(
    ("level", "events"),
    [
        ("DEBUG", "debug info warning error critical"),
        ("info", "info warning error critical"),
        ("Warn", "warning error critical"),
        (logging.ERROR, "error critical"),
        ("50", "critical"),
        (0, "debug info warning error critical"),
        ("none", ""),
        ("NONE", ""),
        (None, ""),
    ],
)
def test_console_and_file_have_levels_of_their_own(
    open_scope: Callable[..., LogScope],
    console: Console,
    tmp_path: Path,
    level: str | int | None,
    events: str,
) -> None:
    path = tmp_path / "svc.log"
    quiet = open_scope(console_level=level, log_path=path, file_level="DEBUG")
    with quiet.entered():
        for name in ("debug", "info", "warning", "error", "critical"):
            LOG.log(name, name)
    assert " ".join(line["event"] for line in console.lines()) == events
    assert len(read(path)) == 5

    other = tmp_path / "other.log"
    loud = open_scope(console_level="DEBUG", log_path=other, file_level=level)
    with loud.entered():
        for name in ("debug", "info", "warning", "error", "critical"):
            LOG.log(name, name)
    assert len(console.lines()) == 5
    assert other.exists() == (level not in {"none", "NONE", None})
    if other.exists():
        assert " ".join(line["event"] for line in read(other)) == events


@pytest.mark.parametrize("option", ["console_level", "file_level"])
def test_an_unknown_level_names_the_valid_and_the_nearest(option: str) -> None:
    with pytest.raises(UsageError) as raised:
        LogScope("svc", **{option: "inof"})  # type: ignore[arg-type]

    text = str(raised.value)
    for part in (option.replace("level", "loglevel"), "'inof'", "DEBUG, INFO", "'INFO'?"):
        assert part in text
    assert "\n" not in text


@pytest.mark.parametrize("level", ["", "LOUD", -1, True, 1.5, "-1", b"INFO"])
def test_what_is_no_level_is_refused(level: Any) -> None:
    with pytest.raises(UsageError, match="console_loglevel: expected"):
        LogScope("svc", console_level=level)


def test_a_level_that_is_off_formats_nothing(
    open_scope: Callable[..., LogScope], console: Console
) -> None:
    with open_scope("quiet", console_level="INFO").entered():
        LOG.debug("%s", Unshowable(), value=Unshowable())

    assert console.lines() == []


def test_a_level_can_be_asked_for(svc: LogScope, open_scope: Callable[..., LogScope]) -> None:
    assert LOG.isEnabledFor(logging.DEBUG)
    assert LOG.getEffectiveLevel() == logging.DEBUG
    with open_scope("quiet", console_level="ERROR").entered():
        assert not LOG.is_enabled_for("warning")
        assert LOG.is_enabled_for("error")


def test_a_line_that_is_off_costs_next_to_nothing(open_scope: Callable[..., LogScope]) -> None:
    with open_scope("svc", console_level="INFO").entered():
        spent = min(timeit.repeat(lambda: LOG.debug("x", a=1), number=10_000, repeat=5))

    assert spent / 10_000 < 2e-6
