"""The command line: exit statuses, one-line errors and tracebacks."""

from __future__ import annotations

import json
import resource
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sf_actors import UsageError
from sf_actors.cli import command as cli
from tests.support.services import REPLYER_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    #: Writes `svc.py` and runs the command line with its flags: exit status, output, errors.
    Run = Callable[..., tuple[int, list[str], list[str]]]

PACKAGE = str(Path(cli.__file__).parent.parent)


@pytest.fixture(autouse=True)
def _same_limits() -> Iterator[None]:
    """Keep the limit of descriptors, which the command line raises."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)

    def write_and_run(
        text: str, *flags: str, quiet: bool = True
    ) -> tuple[int, list[str], list[str]]:
        Path("svc.py").write_text(text)
        status = cli.main(["-s", "svc.py", *(["-cl", "NONE"] if quiet else []), *flags])
        captured = capsys.readouterr()
        return status, captured.out.splitlines(), captured.err.splitlines()

    return write_and_run


def echo_addresses(port: int = 0) -> str:
    addresses = {"connections": {"in": {"echo": {"replyer": f"127.0.0.1:{port}"}}}}
    Path("addresses.json").write_text(json.dumps(addresses))
    return "addresses.json"


# 0, 1, 2


def test_a_main_that_returns_is_exit_status_0(run: Run) -> None:
    assert run("def main(): print('done')", "-m") == (0, ["done"], [])


@pytest.mark.parametrize(
    ("argument", "status"), [("0", 0), ("", 0), ("None", 0), ("3", 3), ("True", 1)]
)
def test_an_exit_of_main_is_the_exit_status(run: Run, argument: str, status: int) -> None:
    text = f"import sys\ndef main(): sys.exit({argument})"
    assert run(text, "-m") == (status, [], [])


def test_an_exit_of_main_with_a_text_prints_it(run: Run) -> None:
    assert run("import sys\ndef main(): sys.exit('gone')", "-m") == (1, [], ["gone"])


def test_a_signal_is_exit_status_0(run: Run, interrupted_soon: float) -> None:
    text = "import os, time\ndef main(): os.kill(os.getpid(), 15); time.sleep(10)"
    assert run(text, "-m", "--stop-timeout-s", str(interrupted_soon)) == (0, [], [])


def test_a_signal_in_init_function_is_exit_status_0(run: Run, interrupted_soon: float) -> None:
    text = "import os, time\ndef init_function(): os.kill(os.getpid(), 15); time.sleep(10)"
    assert run(text, "--stop-timeout-s", str(interrupted_soon)) == (0, [], [])


def test_a_main_that_raises_is_exit_status_1(run: Run) -> None:
    status, out, err = run("def main():\n    raise LookupError('no luck')", "-m")
    assert (status, out) == (1, [])
    assert err[-1] == "LookupError: no luck"


def test_a_signal_hook_that_raises_is_exit_status_1(run: Run, interrupted_soon: float) -> None:
    text = """
import os, time
def sigterm_handler(): raise LookupError('no luck')
def main(): os.kill(os.getpid(), 15); time.sleep(10)
"""
    status, _, err = run(text, "-m", "--stop-timeout-s", str(interrupted_soon))
    assert status == 1
    assert err[-1] == "LookupError: no luck"


def test_a_signal_hook_that_exits_is_exit_status_1(run: Run, interrupted_soon: float) -> None:
    text = """
import os, sys, time
def sigterm_handler(): sys.exit(0)
def main(): os.kill(os.getpid(), 15); time.sleep(10)
"""
    status, _, err = run(text, "-m", "--stop-timeout-s", str(interrupted_soon))
    assert status == 1
    assert len(err) == 1
    assert "sigterm_handler" in err[0]


def test_an_init_function_that_raises_is_exit_status_2(run: Run) -> None:
    status, out, err = run("def init_function():\n    raise LookupError('no luck')")
    assert (status, out) == (2, [])
    assert err[-1] == "LookupError: no luck"


# one line


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["-wt", "soon"], "soon"),
        (["-c", "missing.json"], "missing.json"),
        (["-a", "missing.json"], "missing.json"),
        (["-f", "LOUD", "-l", "x.log"], "LOUD"),
        (["-m"], "main"),
        (["--deep", "x"], "depth"),
        (["--depth", "x"], "--depth"),
        (["stray"], "stray"),
        (["--keys", "no folder"], "no folder"),
    ],
)
def test_what_the_user_typed_wrong_is_one_line_and_exit_status_2(
    run: Run, flags: list[str], named: str
) -> None:
    status, out, (line,) = run("config_model = {'optional': {'depth': int}}", *flags)
    assert (status, out) == (2, [])
    assert line.startswith("sf_actors: ")
    assert named in line


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("x = 1\ndef f(:\n", "svc.py:2: "),
        ("main = 5", "main"),
        ("def init_function(a, b, c, d): pass", "init_function"),
        ("connection_models = {'in': {'x': {'connection_type': 'replyr'}}}", "replyer"),
        (REPLYER_FILE, "echo"),
        ("config_model = {'required': {'depth': int}}", "depth"),
        ("def setup_config(): return 5", "setup_config"),
    ],
)
def test_what_is_wrong_in_the_service_file_is_one_line_and_exit_status_2(
    run: Run, text: str, named: str
) -> None:
    status, out, (line,) = run(text)
    assert (status, out) == (2, [])
    assert "svc.py" in line or "addresses" in line or "config" in line
    assert named in line


def test_a_missing_service_file_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["-s", "nowhere.py"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "nowhere.py" in line


def test_a_taken_port_is_one_line_and_exit_status_2(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, out, (line,) = run(REPLYER_FILE, "-a", echo_addresses(port))
    assert (status, out) == (2, [])
    assert str(port) in line


# escape sequences

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b1m\u202ereversed\r"


def test_a_service_files_name_is_shown_with_its_escape_sequences_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(f"{HOSTILE}.py").write_text("main = 5")
    assert cli.main(["-s", f"{HOSTILE}.py"]) == 2
    escaped = r"\x1b]0;owned\x07\x1b[2J\x9b1m\u202ereversed\r.py"
    line = f"sf_actors: {escaped}: main: expected a function, got int 5\n"
    assert capsys.readouterr().err == line


def test_a_config_files_name_is_shown_with_its_escape_sequences_escaped(run: Run) -> None:
    Path(f"{HOSTILE}.json").write_text('{"depth": "x"}')
    text = "config_model = {'required': {'depth': int}}"
    status, _, (line,) = run(text, "-c", f"{HOSTILE}.json")
    assert status == 2
    assert line.isprintable()


def test_a_message_of_several_lines_keeps_them_and_its_letters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_argv: object) -> None:
        raise UsageError("größe \\ 'a' \"b\" 漢\nsecond\x1b[1m")

    monkeypatch.setattr(cli, "parse", refuse)
    cli.main([])
    assert capsys.readouterr().err == "sf_actors: größe \\ 'a' \"b\" 漢\nsecond\\x1b[1m\n"


def test_the_text_of_an_exception_is_shown_with_its_escape_sequences_escaped(run: Run) -> None:
    text = f"def main():\n    raise LookupError('from afar ' + {HOSTILE!r})"
    status, _, err = run(text, "-m")
    assert status == 1
    assert err[0] == "Traceback (most recent call last):"
    assert err[-1].startswith("LookupError: from afar \\x1b]0;owned")
    assert all(line.isprintable() for line in err)


# tracebacks


def test_an_error_in_the_service_file_shows_the_users_frames_alone(run: Run) -> None:
    text = "def fail():\n    raise LookupError('no luck')\nfail()\n"
    status, _, err = run(text)
    assert status == 2
    assert err[0] == "Traceback (most recent call last):"
    assert [line for line in err if "File" in line] == [
        f'  File "{Path("svc.py").absolute()}", line 3, in <module>',
        f'  File "{Path("svc.py").absolute()}", line 2, in fail',
    ]


def test_an_error_in_an_imported_module_shows_the_users_frames_alone(run: Run) -> None:
    Path("beside_of_svc.py").write_text("1 / 0\n")
    status, _, err = run("import beside_of_svc\n")
    assert status == 2
    assert err[-1] == "ZeroDivisionError: division by zero"
    assert [line.split('"')[1].rpartition("/")[2] for line in err if "File" in line] == [
        "svc.py",
        "beside_of_svc.py",
    ]


def test_an_exit_in_the_service_file_is_exit_status_2(run: Run) -> None:
    status, _, err = run("import sys\nsys.exit(0)\n")
    assert status == 2
    assert err[-1] == "SystemExit: 0"


@pytest.mark.parametrize(
    ("name", "flags"),
    [("main", ["-m"]), ("init_function", []), ("setup_config", []), ("setup_addresses", [])],
)
def test_an_error_in_a_function_shows_the_users_frames_alone(
    run: Run, name: str, flags: list[str]
) -> None:
    _, _, err = run(f"def {name}():\n    raise LookupError('no luck')", *flags)
    (frame,) = [line for line in err if "File" in line]
    assert frame == f'  File "{Path("svc.py").absolute()}", line 2, in {name}'


def test_an_error_of_to_send_shows_where_in_main_it_was_called(run: Run) -> None:
    text = "def main(to_send):\n    to_send('connection', 'nobody', {})\n"
    status, _, err = run(text, "-m")
    assert status == 1
    assert err[-1].startswith("sf_actors.errors.InvalidArguments: ")
    assert f'  File "{Path("svc.py").absolute()}", line 2, in main' in err
    assert not [line for line in err if PACKAGE in line]


@pytest.mark.parametrize(
    ("name", "flags", "expected"), [("main", ["-m"], 1), ("init_function", [], 2)]
)
def test_a_users_error_inside_user_code_shows_the_users_frames(
    run: Run, name: str, flags: list[str], expected: int
) -> None:
    text = f"import sf_actors\ndef {name}():\n    sf_actors.Service('no.py').run_service()\n"
    status, _, err = run(text, *flags)
    assert status == expected
    assert f'  File "{Path("svc.py").absolute()}", line 3, in {name}' in err
    assert not [line for line in err if PACKAGE in line]


def test_the_cause_of_an_error_is_shown_without_frames_of_the_package(run: Run) -> None:
    text = """
def main(to_send):
    try:
        to_send('connection', 'nobody', {})
    except Exception as error:
        raise LookupError('no luck') from error
"""
    _, _, err = run(text, "-m")
    assert "The above exception was the direct cause of the following exception:" in err
    assert not [line for line in err if PACKAGE in line]


# flags


def test_extra_arguments_go_into_the_config(run: Run) -> None:
    text = """
config_model = {'required': {'depth': int}, 'optional': {'dry_run': bool, 'names': [str]}}
def main(config): print(config)
"""
    flags = ("--depth", "-5", "--dry-run", '--names=["a b"]')
    status, out, _ = run(text, "-m", *flags)
    assert status == 0
    assert out == ["{'depth': -5, 'dry_run': True, 'names': ['a b']}"]


def test_long_names_work_with_dashes_and_underscores(run: Run, tmp_path: Path) -> None:
    Path("c.json").write_text('{"depth": 3}')
    flags = ("--main-mode", "--config_path=c.json", "--log-path", "logs/a b.log", "--name", "desk")
    status, out, _ = run(
        "from sf_actors import get_logger\n"
        "def main(config): get_logger().info('seen', depth=config['depth'])",
        *flags,
        "--file_loglevel",
        "INFO",
    )
    assert (status, out) == (0, [])
    lines = [json.loads(line) for line in (tmp_path / "logs" / "a b.log").read_text().splitlines()]
    (line,) = [line for line in lines if line["event"] == "seen"]
    assert line["service"] == "desk"
    assert line["depth"] == 3


def test_inbound_models_are_refused_in_main_mode_unless_they_are_allowed(run: Run) -> None:
    text = REPLYER_FILE + "def main(): print('done')"
    status, _, (line,) = run(text, "-m")
    assert status == 2
    assert "'echo'" in line
    assert run(text, "-m", "--allow_inbound", "-a", echo_addresses())[:2] == (0, ["done"])


def test_wt_is_the_least_time_between_two_handler_calls(run: Run) -> None:
    text = """
import threading, time
from sf_actors import Service
times = []
def on_request(args):
    times.append(time.monotonic())
    return args
creation = {'on_new_request': on_request}
model = {'connection_type': 'replyer', 'required_creation_arguments': creation}
asking = {'connection_type': 'requester'}
connection_models = {'in': {'echo': model}, 'out': {'ask': asking}}
def main(to_send):
    for _ in range(2):
        to_send('connection', 'ask', {})
    print(times[1] - times[0] >= 0.2)
"""
    addresses = {"connections": {"in": {"echo": "inproc://wt"}, "out": {"ask": "inproc://wt"}}}
    Path("addresses.json").write_text(json.dumps(addresses))
    flags = ("-m", "--allow_inbound", "-a", "addresses.json", "-wt", "0.2")
    assert run(text, *flags) == (0, ["True"], [])


def test_error_details_decides_what_a_caller_is_told(run: Run) -> None:
    text = """
def on_request(args): raise LookupError('a secret')
model = {'connection_type': 'replyer', 'required_creation_arguments': {'on_request': on_request}}
connection_models = {'in': {'it': model}, 'out': {'ask': {'connection_type': 'requester'}}}
def main(to_send):
    try:
        to_send('connection', 'ask', {})
    except Exception as error:
        print('LookupError' in str(error), 'a secret' in str(error))
"""
    addresses = {"connections": {"in": {"it": "inproc://told"}, "out": {"ask": "inproc://told"}}}
    Path("addresses.json").write_text(json.dumps(addresses))
    flags = ("-m", "--allow_inbound", "-a", "addresses.json", "--error-details")
    assert run(text, *flags, "type") == (0, ["True False"], [])
    assert run(text, *flags, "full") == (0, ["True True"], [])


def test_the_log_goes_to_standard_error(run: Run) -> None:
    status, out, err = run("def main(): print('mine')", "-m", quiet=False)
    assert (status, out) == (0, ["mine"])
    assert "ready" in [json.loads(line)["event"] for line in err]


def test_help_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["-h"])
    assert caught.value.code == 0
    assert "--stop_timeout_s" in capsys.readouterr().out
