"""The README: each snippet is run, each command understood, each table compared with the code."""

from __future__ import annotations

import io
import json
import queue
import re
import shlex
import sys
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from docutils import nodes
from docutils.core import publish_doctree
from msgspec.structs import fields

import sf_actors
from sf_actors.cli.arguments import Arguments, parse
from sf_actors.cli.flags import FLAGS
from sf_actors.cli.verb_table import BY_NAME
from sf_actors.definition.creation import _TABLE
from sf_actors.replication.status import Status
from sf_actors.service import Service
from sf_actors.testing import module_of, running
from tests.support.mypy import strictly_checked
from tests.support.processes import PATIENCE_S, ROOT, Process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

CI_PATTERN = r"^ +python3 -m venv .*&& .*pytest"


@cache
def document(file: str = "README.rst") -> tuple[nodes.document, str]:
    """Return a file as a tree, and what was found wrong with it."""
    warnings = io.StringIO()
    settings = {"warning_stream": warnings, "report_level": 2, "syntax_highlight": "none"}
    source = (ROOT / file).read_text("utf-8")
    return publish_doctree(source, settings_overrides=settings), warnings.getvalue()


def blocks(language: str | None) -> list[str]:
    found = document()[0].findall(nodes.literal_block)
    return [block.astext() for block in found if set(block["classes"]) == _classes(language)]


def _classes(language: str | None) -> set[str]:
    return set() if language is None else {"code", language}


def snippets() -> dict[str, str]:
    """Return each Python snippet by the name of the file that its first line gives."""
    found: dict[str, str] = {}
    for snippet in blocks("python"):
        match = re.match(r"# (\w+\.py)\n", snippet)
        assert match, f"a snippet without the name of its file: {snippet}"
        assert match[1] not in found
        found[match[1]] = snippet
    return found


def commands() -> list[str]:
    """Return each shell command."""
    return [line for block in blocks(None) for line in block.splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with each snippet as the file that it says it is."""
    for name, snippet in snippets().items():
        (tmp_path / name).write_text(snippet)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def greet(folder: Path) -> Iterator[str]:
    """The first service, run as the README runs it; gives the port that it took."""
    (folder / "addresses.json").write_text(blocks("json")[0].replace("27001", "0"))
    with Process(*arguments_of("-s greet.py"), cwd=folder) as process:
        port = process.wait_until_ready()["greet.replyer"].rpartition(":")[2]
        (folder / "addresses.json").write_text(blocks("json")[0].replace("27001", port))
        yield port


def arguments_of(wanted: str) -> list[str]:
    """Return the arguments of the one command that has this in it."""
    [command] = [command for command in commands() if wanted in command]
    return shlex.split(command.partition("python -m sf_actors ")[2])


def running_snippet(name: str, **arguments: Any) -> Any:
    return running(name, console_loglevel="WARNING", **arguments)


@pytest.mark.parametrize("file", ["README.rst", "CHANGELOG.rst"])
def test_it_is_correct_restructured_text(file: str) -> None:
    assert document(file)[1] == ""


def test_ci_finds_the_command_that_runs_the_tests() -> None:
    lines = (ROOT / "README.rst").read_text("utf-8").splitlines()
    found = [line for line in lines if re.search(CI_PATTERN, line)]
    assert len(found) == 1
    assert "pip install --quiet -e '.[test]'" in found[0]


def test_each_snippet_is_run_here() -> None:
    assert set(snippets()) == {
        "greet.py",
        "ask.py",
        "orders.py",
        "shop.py",
        "seller.py",
        "buyer.py",
        "clock.py",
        "beat.py",
        "farewell.py",
        "gather.py",
        "jobs.py",
        "prices.py",
        "follow.py",
        "program.py",
        "web.py",
        "pages.py",
        "cell.py",
        "test_greet.py",
        "plain.py",
        "look.py",
        "logs.py",
        "test_lines.py",
        "pricer.py",
        "quotes.py",
    }
    assert len(blocks("json")) == 2


def test_the_first_service_is_asked_as_shown(greet: str, folder: Path) -> None:
    with Process(*arguments_of("-s ask.py"), cwd=folder) as ask:
        assert ask.wait() == 0
        assert ask.out == ["Hello Ada!"]


def test_a_plain_socket_asks_it(greet: str, folder: Path) -> None:
    plain = folder / "plain.py"
    plain.write_text(plain.read_text().replace("27001", greet))
    with Process("plain.py", module=None, cwd=folder) as asking:
        assert asking.wait() == 0
        assert asking.out == ["Hello wire!"]


def test_a_program_is_looked_at_by_a_plain_socket(folder: Path) -> None:
    with Process("look.py", module=None, cwd=folder) as looking:
        assert looking.wait() == 0
        assert "'services': []" in looking.out[0]


def test_the_program_runs_both_services(folder: Path) -> None:
    with Process("program.py", module=None, cwd=folder) as program:
        assert program.wait() == 0
        assert program.out == ["Hello Bob!", "1"]


def test_the_test_passes(folder: Path) -> None:
    names: dict[str, Any] = {}
    exec(snippets()["test_greet.py"], names)
    names["test_it_greets"]()


def test_the_orders_service_answers_with_the_types_of_its_model(folder: Path) -> None:
    served = {"connections": {"in": {"orders": "inproc://orders"}}}
    with running_snippet("orders.py", addresses=served):
        replies: queue.Queue[Any] = queue.Queue()
        order = {"side": "buy", "price": Decimal("10.5"), "quantity": 2}
        model = {
            "connection_type": "requester",
            "required_arguments": {"side": str, "price": Decimal, "quantity": int},
            "required_return_arguments": {"cost": Decimal, "tags": {str}},
        }
        asker = module_of(
            connection_models={"out": {"orders": model}},
            init_function=lambda to_send: replies.put(to_send("orders", order)),
        )
        asked = {"connections": {"out": {"orders": "inproc://orders"}}}
        with running(asker, addresses=asked, console_loglevel="WARNING"):
            assert replies.get_nowait() == {"cost": Decimal("21.0"), "tags": {"new"}}


def test_the_buyer_gets_what_the_seller_answers(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = {"connections": {side: {"shop": "inproc://shop"} for side in ("in", "out")}}
    try:
        with running_snippet("seller.py", addresses=both):
            buyer = Service("buyer.py", addresses=both, console_loglevel="WARNING")
            buyer.run_service_as_main_blocking()
    finally:
        del sys.modules["shop"]
    assert capsys.readouterr().out == "10.00\n"


def test_the_typed_services_pass_a_strict_check(folder: Path) -> None:
    assert strictly_checked(folder, "shop.py", "seller.py", "buyer.py") == [
        "Success: no issues found in 3 source files"
    ]


def test_the_clock_publishes_what_its_target_returned(folder: Path) -> None:
    from datetime import datetime

    ticks: queue.Queue[Any] = queue.Queue()

    def on_tick(args: dict[str, Any]) -> None:
        ticks.put(args)

    model = {
        "connection_type": "subscriber",
        "required_creation_arguments": {"topic": "utc", "on_tick": on_tick},
        "required_arguments": {"now": datetime},
    }
    listener = module_of(connection_models={"in": {"ticks": model}})
    both = {"connections": {side: {"ticks": "inproc://ticks"} for side in ("in", "out")}}
    with (
        running(listener, addresses=both, console_loglevel="WARNING"),
        running_snippet("clock.py", addresses=both, as_main=True),
    ):
        assert isinstance(ticks.get(timeout=PATIENCE_S)["now"], datetime)


def test_the_timer_beats(folder: Path) -> None:
    with Process("-s", "beat.py", cwd=folder) as beating:
        assert [beating.wait_for_line("beat 0") for _ in range(2)] == ["beat 0"] * 2


def test_a_main_that_is_told_of_the_stop_says_good_bye(folder: Path) -> None:
    with Process("-s", "farewell.py", "-m", cwd=folder) as leaving:
        leaving.wait_for_line("at work")
        leaving.interrupt()
        assert leaving.wait() == 0
    assert leaving.out == ["at work", "good bye"]


def test_the_coroutines_gather_both_replies(folder: Path) -> None:
    with Process("-s", "gather.py", "-m", cwd=folder) as gathering:
        assert gathering.wait() == 0
    assert gathering.out == ["[1, 4, 9]"]


def test_the_addresses_of_the_reference_fit_its_services(folder: Path) -> None:
    (folder / "more.json").write_text(blocks("json")[1])
    with Process(*arguments_of("check orders.py"), cwd=folder) as checking:
        assert checking.wait() == 0
    assert checking.err == ["sf_actors: nothing is wrong"]


def test_the_follower_shows_the_value_that_the_deltas_make(folder: Path) -> None:
    free = {"publisher": "127.0.0.1:0", "replyer": "127.0.0.1:0"}
    with running_snippet("prices.py", addresses={"states": {"out": {"book": free}}}) as prices:
        bound = prices.addresses["states"]["out"]["book"]
        followed = {"subscriber": bound["publisher"], "requester": bound["replyer"]}
        (folder / "follow.json").write_text(json.dumps({"states": {"in": {"book": followed}}}))
        with Process("-s", "follow.py", "-a", "follow.json", cwd=folder) as follower:
            line = follower.wait_for_line(lambda line: line.endswith(" LIVE"))
            assert eval(line.removesuffix(" LIVE")) == {Decimal("10.4"): 1, Decimal("10.3"): 7}
            follower.interrupt()
            assert follower.wait() == 0


def test_the_lines_of_the_logger_come_out(folder: Path) -> None:
    with Process("-s", "logs.py", "-m", cwd=folder) as logs:
        assert logs.wait_for_event("order taken")["price"] == 10
        assert logs.wait_for_event("order 7 taken")["service"] == "logs"
        assert logs.wait() == 0


def test_the_test_of_lines_passes(folder: Path) -> None:
    arguments = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_lines.py")
    with Process(*arguments, module=None, cwd=folder) as tests:
        status = tests.wait()
    assert (status, tests.out[-1].partition(" in ")[0]) == (0, "1 passed")


def test_each_command_is_understood() -> None:
    known_keys = {"whom", "seed", "batch_size", "verbose"}
    seen, verbs = set(), set()
    for command in commands():
        _, is_ours, typed = command.partition("python -m sf_actors ")
        assert is_ours or "pytest" in command, command
        verb = BY_NAME.get(typed.partition(" ")[0])
        if verb is not None and verb.module and not typed.startswith("keys new"):
            verbs.add(verb.name)
        elif is_ours:
            understood = parse(shlex.split(typed))
            seen.add(type(understood).__name__)
            if isinstance(understood, Arguments):
                assert understood.extras.keys() <= known_keys
    assert seen == {"Arguments", "DemoArguments", "KeysArguments"}
    assert {"ps", "info", "call", "watch", "stats", "top", "check", "plan", "export"} <= verbs


def test_the_files_that_commands_name_are_there(folder: Path) -> None:
    shipped = {word for command in commands() for word in command.split() if "/demo/" in word}
    assert shipped
    assert all((ROOT / path).is_file() for path in shipped)


def section(title: str) -> nodes.section:
    [found] = [node for node in document()[0].findall(nodes.section) if node[0].astext() == title]
    return found


def rows(title: str) -> list[list[str]]:
    """Return the rows of the first table of a section, its header included."""
    found = next(iter(section(title).findall(nodes.table)))
    return [[cell.astext() for cell in row] for row in found.findall(nodes.row)]


def test_the_table_of_creation_arguments_is_that_of_the_code() -> None:
    texts = {
        None: "none",
        64 * 2**20: "64 MiB",
        "topic": "all",
        "target": "required",
        "every_s": "required",
    }
    shown: dict[str, list[str]] = {}
    for name, _, default, _ in rows("Creation arguments")[1:]:
        shown.setdefault(name, []).append(default)
    expected = {
        name: [
            texts.get(name)
            or texts.get(value)
            or (f"{value:g}" if type(value) is float else str(value))
            for value in dict.fromkeys(defaults.values())
        ]
        for name, (_, defaults) in _TABLE.items()
    }
    assert shown == expected


def test_the_methods_of_the_table_are_those_of_a_service() -> None:
    names = [first.partition("(")[0] for first, _ in rows("In a program")]
    assert len(names) == 13
    assert all(hasattr(Service, name) for name in names)


def test_the_errors_of_the_table_are_those_of_the_package() -> None:
    names = [first for first, _ in rows("Sending")]
    assert len(names) == 4
    assert all(issubclass(getattr(sf_actors, name), sf_actors.SfActorsError) for name in names)


def test_the_table_of_a_status_has_its_fields() -> None:
    assert [first for first, _ in rows("The status of a state")] == [
        field.name for field in fields(Status)
    ]


def test_each_flag_of_ours_is_shown() -> None:
    words = {word for command in commands() for word in command.split()}

    assert all(words & set(flag.names) for flag in FLAGS)
