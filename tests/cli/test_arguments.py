from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sf_actors.cli import arguments
from sf_actors.cli.arguments import Arguments, DemoArguments, KeysArguments, parse
from sf_actors.errors import UsageError
from sf_actors.version import VERSION


def read(*tokens: str) -> Arguments:
    found = parse(["-s", "svc.py", *tokens])
    assert isinstance(found, Arguments)
    return found


def extras(*tokens: str) -> dict[str, str | bool]:
    return read(*tokens).extras


# Our own flags


def test_a_service_path_alone_is_enough() -> None:
    assert parse(["-s", "svc.py"]) == Arguments(
        service_path="svc.py",
        addresses_path=None,
        config_path=None,
        main_mode=False,
        console_loglevel="INFO",
        file_loglevel="INFO",
        log_path=None,
        backup_count=24,
        service_loop_min_wait_time_s=0.0,
        stop_timeout_s=10.0,
        allow_inbound=False,
        name=None,
        keys=None,
        extras={},
    )


def test_every_flag_has_its_short_form() -> None:
    line = "-s s.py -a a.json -c c.json -m -cl DEBUG -f NONE -l x.log -bc 3 -wt 0.5"
    assert parse(line.split()) == Arguments(
        service_path="s.py",
        addresses_path="a.json",
        config_path="c.json",
        main_mode=True,
        console_loglevel="DEBUG",
        file_loglevel="NONE",
        log_path="x.log",
        backup_count=3,
        service_loop_min_wait_time_s=0.5,
    )


LONG = [
    ("addresses_path", "a.json", "a.json"),
    ("config_path", "c.json", "c.json"),
    ("console_loglevel", "DEBUG", "DEBUG"),
    ("file_loglevel", "DEBUG", "DEBUG"),
    ("log_path", "x.log", "x.log"),
    ("backup_count", "0", 0),
    ("service_loop_min_wait_time_s", "1", 1.0),
    ("stop_timeout_s", "1e1", 10.0),
    ("name", "desk 2", "desk 2"),
    ("keys", "./keys", "./keys"),
    ("error_details", "type", "type"),
    ("http", "127.0.0.1:1", "127.0.0.1:1"),
]
OF_HTTP = ["http_host", "stuck_after", "ready_needs"]


@pytest.mark.parametrize(("name", "text", "value"), LONG)
def test_every_flag_has_its_long_form(name: str, text: str, value: object) -> None:
    assert getattr(read(f"--{name}", text), name) == value


@pytest.mark.parametrize(("name", "text", "value"), LONG)
def test_a_long_flag_may_be_written_with_dashes(name: str, text: str, value: object) -> None:
    assert getattr(read(f"--{name.replace('_', '-')}", text), name) == value


@pytest.mark.parametrize(("name", "text", "value"), LONG)
def test_a_long_flag_may_be_joined_to_its_value(name: str, text: str, value: object) -> None:
    assert getattr(read(f"--{name}={text}"), name) == value


@pytest.mark.parametrize("flag", ["-m", "--main_mode", "--main-mode"])
def test_main_mode_needs_no_value(flag: str) -> None:
    assert read(flag).main_mode is True


@pytest.mark.parametrize("flag", ["--allow_inbound", "--allow-inbound"])
def test_inbound_models_are_allowed_without_a_value(flag: str) -> None:
    assert read(flag).allow_inbound is True


def test_names_and_needs_of_http_may_be_given_several_times() -> None:
    line = ("--http", "h:1", "--ready-needs", "a", "--http-host=x", "--ready_needs", "svc/b")

    assert read(*line).ready_needs == ["a", "svc/b"]
    assert read(*line).http_host == ["x"]


def test_a_path_may_hold_spaces_dots_and_equal_signs() -> None:
    assert read("-c", "./my dir/a=b.v2.json").config_path == "./my dir/a=b.v2.json"


@pytest.mark.parametrize("value", ["-5.log", "-x", "-", "-la"])
def test_the_value_of_our_flag_may_begin_with_one_dash(value: str) -> None:
    assert read("-l", value).log_path == value


def test_a_joined_value_may_be_anything() -> None:
    assert read("--log_path=--main_mode").log_path == "--main_mode"


@pytest.mark.parametrize("following", [["-m"], ["--key", "1"], ["--log_path=x"], []])
def test_a_flag_of_ours_is_never_the_value_of_another(following: list[str]) -> None:
    with pytest.raises(UsageError, match=r"-c: expected a value \(PATH\), got none"):
        read("-c", *following)


def test_a_switch_takes_no_value() -> None:
    with pytest.raises(UsageError, match="--main_mode: expected no value, got 'true'"):
        read("--main-mode=true")


@pytest.mark.parametrize("again", [["-s", "b.py"], ["--service-path=b.py"]])
def test_a_flag_of_ours_stands_once(again: list[str]) -> None:
    with pytest.raises(UsageError, match="expected once, got it twice"):
        read(*again)


@pytest.mark.parametrize("flag", ["-wt", "--stop_timeout_s"])
@pytest.mark.parametrize("text", ["-1", "nan", "inf", "1e12", "1_0", " 1", "", "soon", "٣"])
def test_a_time_is_a_finite_number_from_0(flag: str, text: str) -> None:
    with pytest.raises(UsageError, match=r"expected seconds from 0 to \d+, got"):
        read(flag, text)


@pytest.mark.parametrize("text", ["-1", "1.5", "1_0", "", "many", "٣"])
def test_a_count_is_a_whole_number_from_0(text: str) -> None:
    with pytest.raises(UsageError, match="expected a whole number from 0, got"):
        read("-bc", text)


@pytest.mark.parametrize("text", ["none", "FULL", "", " type", "t"])
def test_error_details_are_full_or_type(text: str) -> None:
    with pytest.raises(UsageError, match="--error_details: expected full or type, got"):
        read("--error_details", text)


def test_error_details_may_be_full() -> None:
    assert read("--error-details=full").error_details == "full"


def test_error_details_are_chosen_by_nobody_unless_the_flag_is_there() -> None:
    assert read().error_details is None


def test_an_empty_path_is_refused() -> None:
    with pytest.raises(UsageError, match="expected a text, got an empty one"):
        read("-c", "")


@pytest.mark.parametrize("line", [[], ["-m"], ["--key", "1"]])
def test_a_missing_service_path_is_one_line(line: list[str]) -> None:
    with pytest.raises(UsageError, match=r"^expected a service file: -s svc\.py, got none[^\n]+$"):
        parse(line)


def test_a_misspelled_service_path_is_recognised() -> None:
    with pytest.raises(UsageError, match="'--service'; did you mean --service_path"):
        parse(["--service", "svc.py"])


# Extra arguments


@pytest.mark.parametrize(
    ("tokens", "found"),
    [
        (["--key", "value"], {"key": "value"}),
        (["--key=value"], {"key": "value"}),
        (["--key"], {"key": True}),
        (["--key="], {"key": ""}),
        (["--key", ""], {"key": ""}),
        (["--key=a=b"], {"key": "a=b"}),
        (["--key=-m"], {"key": "-m"}),
        (["--key=--other"], {"key": "--other"}),
        (["--offset", "-5"], {"offset": "-5"}),
        (["--offset", "-x"], {"offset": "-x"}),
        (["--a", "--b", "1"], {"a": True, "b": "1"}),
        (["--batch-size", "1"], {"batch_size": "1"}),
        (["--_key", "1"], {"_key": "1"}),
        (["--Key", "1", "--key", "2"], {"Key": "1", "key": "2"}),
        (["--list", "[1, 2]"], {"list": "[1, 2]"}),
        (["--word", "demo"], {"word": "demo"}),
    ],
)
def test_an_extra_argument_goes_into_the_config(
    tokens: list[str], found: dict[str, str | bool]
) -> None:
    assert extras(*tokens) == found


@pytest.mark.parametrize("name", ["service", "config", "main", "log", "stop-timeout"])
def test_a_flag_is_never_abbreviated(name: str) -> None:
    assert extras(f"--{name}", "x") == {name.replace("-", "_"): "x"}


def test_a_flag_of_ours_is_not_the_value_of_an_extra_argument() -> None:
    found = read("--verbose", "-m")
    assert (found.extras, found.main_mode) == ({"verbose": True}, True)


def test_flags_and_extra_arguments_may_be_mixed() -> None:
    found = parse(["--a", "1", "-s", "svc.py", "--b", "-m", "--c", "3"])
    assert found == Arguments(
        service_path="svc.py", main_mode=True, extras={"a": "1", "b": True, "c": "3"}
    )


@pytest.mark.parametrize(
    "tokens", [["stray"], ["-m", "stray"], ["--key", "a", "stray"], ["--key=a", "-5"], ["-sx.py"]]
)
def test_a_token_without_a_key_is_refused(tokens: list[str]) -> None:
    with pytest.raises(UsageError, match=r"expected a flag or --key before a value, got '[^']+'"):
        read(*tokens)


@pytest.mark.parametrize("token", ["--", "--=5", "---key"])
def test_a_key_must_not_be_empty(token: str) -> None:
    with pytest.raises(UsageError, match="which has no key"):
        read(token)


@pytest.mark.parametrize("again", [["--a-b", "2"], ["--a_b=2"], ["--a-b"]])
def test_an_extra_argument_stands_once(again: list[str]) -> None:
    with pytest.raises(UsageError, match="'--a_b': expected once, got it twice"):
        read("--a-b", "1", *again)


def test_a_usage_error_is_one_line_whatever_was_typed() -> None:
    with pytest.raises(UsageError) as caught:
        read("two\nlines")
    assert "\n" not in str(caught.value)


# Help and version


@pytest.mark.parametrize("line", [["-h"], ["--help"], ["stray", "-m", "--key", "-h"]])
def test_help_goes_to_standard_output_and_ends_with_0(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(line)
    printed = capsys.readouterr()
    assert (caught.value.code, printed.err) == (0, "")
    assert "--service_path" in printed.out


def test_help_explains_each_flag_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["-h"])
    printed = " ".join(capsys.readouterr().out.split())
    flags = ["service_path", "main_mode", "allow_inbound", "inspect", "reload"]
    names = [*flags, *(name for name, _, _ in LONG), *OF_HTTP]
    assert [name for name in names if f"--{name}" not in printed] == []
    assert printed.count("example: -") == len(names)


def test_the_version_goes_to_standard_output_and_ends_with_0(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"sf_actors {VERSION}\n"


def test_parsing_loads_neither_zeromq_nor_msgspec() -> None:
    code = (
        "import sys; package = sys.modules['sf_actors'] = type(sys)('sf_actors');"
        "package.__path__ = sys.argv[1:]; from sf_actors.cli.arguments import parse;"
        "parse(['-s', 'svc.py', '--key', '1']);"
        "print({'zmq', 'msgspec', 'structlog', 'importlib.metadata'} & set(sys.modules))"
    )
    folder = Path(arguments.__file__).parent.parent
    line = [sys.executable, "-W", "error", "-c", code, str(folder)]
    done = subprocess.run(line, check=False, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("set()\n", "")


# Sub commands


@pytest.mark.parametrize(
    ("line", "seconds"), [(["demo"], 10.0), (["demo", "--seconds", "2.5"], 2.5)]
)
def test_demo_is_recognised_as_the_first_token(line: list[str], seconds: float) -> None:
    assert parse(line) == DemoArguments(seconds=seconds)


def test_a_service_file_may_be_called_demo() -> None:
    found: Any = parse(["-s", "demo"])
    assert found.service_path == "demo"


def test_a_pair_of_keys_has_a_name_and_a_folder() -> None:
    assert parse(["keys", "new", "desk", "--dir", "./k"]) == KeysArguments(name="desk", dir="./k")


@pytest.mark.parametrize(
    "line",
    [
        ["demo", "--seconds", "nan"],
        ["demo", "--sec", "1"],
        ["demo", "stray"],
        ["keys"],
        ["keys", "old", "desk", "--dir", "k"],
        ["keys", "new", "--dir", "k"],
        ["keys", "new", "desk"],
        ["keys", "new", "", "--dir", "k"],
    ],
)
def test_a_sub_command_that_cannot_be_understood_is_one_line(line: list[str]) -> None:
    with pytest.raises(UsageError, match=r"^[^\n]+$"):
        parse(line)


@pytest.mark.parametrize("line", [["demo", "-h"], ["keys", "-h"]])
def test_a_sub_command_has_help_of_its_own(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(line)
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: sf_actors {line[0]}")
