"""The flags of a service's command line as a table, and the functions that read their values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from sf_actors.sync.seconds import EXPECTED, is_seconds

if TYPE_CHECKING:
    from collections.abc import Callable


def _wrong(message: str) -> Exception:
    """Return the error of a text that cannot be read, as argparse reports it."""
    from argparse import ArgumentTypeError  # noqa: PLC0415 - it takes long, and most texts are right

    return ArgumentTypeError(message)


def text_of(text: str) -> str:
    """Return a text that is not empty; argparse knows the errors of these functions."""
    if not text:
        raise _wrong("expected a text, got an empty one")
    return text


def details_of(text: str) -> str:
    """Return how much callers learn of a handler's error: `full` or `type`."""
    if text not in {"full", "type"}:
        raise _wrong(f"expected full or type, got {text!r}")
    return text


def count_of(text: str) -> int:
    """Read a whole number from 0 up."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise _wrong(f"expected a whole number from 0, got {text!r}")
    return int(text)


def seconds_of(text: str) -> float:
    """Read a number of seconds."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    # float() also takes 1_0, spaces and digits of any script: more likely mistakes than numbers
    is_plain = text.isascii() and text.strip() == text and "_" not in text
    if not (is_plain and is_seconds(number)):
        raise _wrong(f"expected {EXPECTED}, got {text!r}")
    return number


class Flag(NamedTuple):
    """One flag.

    :ivar spelled: its names, with underscores, the long one last
    :ivar metavar: what its value is called; empty for a flag without a value
    :ivar read: reads its value
    :ivar is_list: it may be given several times
    """

    spelled: str
    metavar: str
    explain: str
    example: str
    read: Callable[[str], object] = text_of
    is_list: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Its names, the long one last."""
        return tuple(self.spelled.split())

    @property
    def long_name(self) -> str:
        """The long name."""
        return self.names[-1]


FLAGS: Final = (
    Flag("-s --service_path", "PATH", "the service file; required", "-s ./svc.py"),
    Flag(
        "-a --addresses_path",
        "PATH",
        "JSON file with the addresses of the models",
        "-a ./addresses.json",
    ),
    Flag("-c --config_path", "PATH", "JSON file with the config", "-c ./config.json"),
    Flag("-m --main_mode", "", "run the main function beside the outbound models", "-m"),
    Flag(
        "-cl --console_loglevel",
        "LEVEL",
        "DEBUG, INFO, WARNING, ERROR, CRITICAL or, for no lines, NONE (default INFO)",
        "-cl WARNING",
    ),
    Flag("-f --file_loglevel", "LEVEL", "the same for the log file (default INFO)", "-f DEBUG"),
    Flag(
        "-l --log_path",
        "PATH",
        "log file, rotated hourly; its folder is created",
        "-l ./logs/svc.log",
    ),
    Flag(
        "-bc --backup_count",
        "N",
        "how many rotated log files are kept (default 24)",
        "-bc 48",
        count_of,
    ),
    Flag(
        "-wt --service_loop_min_wait_time_s",
        "SECONDS",
        "least time between two handler calls, except those of workers (default 0)",
        "-wt 0.01",
        seconds_of,
    ),
    Flag(
        "--stop_timeout_s",
        "SECONDS",
        "deadline of a graceful stop (default 10)",
        "--stop_timeout_s 30",
        seconds_of,
    ),
    Flag("--allow_inbound", "", "serve inbound models beside main, with -m", "-m --allow_inbound"),
    Flag(
        "--name",
        "NAME",
        "the service's name in its log lines (default that of the file)",
        "--name desk-2",
    ),
    Flag(
        "--keys",
        "DIR",
        "folder of CURVE keys: encrypt, and admit only authorized peers",
        "--keys ./keys",
    ),
    Flag(
        "--error_details",
        "full|type",
        "what callers learn of a handler's error: its text as well, or only its type "
        "(default full, but beyond loopback without keys type)",
        "--error_details type",
        details_of,
    ),
    Flag(
        "--inspect",
        "ADDRESS",
        "let the shell inspect this service from other machines; with --keys",
        "--inspect tcp://10.0.0.7:7000",
    ),
    Flag(
        "--http",
        "HOST:PORT",
        "answer /livez, /readyz, /metrics and /stats there",
        "--http 127.0.0.1:8080",
    ),
    Flag(
        "--http_host",
        "NAME",
        "a host name that --http accepts, besides localhost and IP addresses",
        "--http_host orders.desk.example",
        is_list=True,
    ),
    Flag(
        "--stuck_after",
        "SECONDS",
        "how long a handler may run before /livez fails (default 60, 0: for ever)",
        "--stuck_after 10",
        seconds_of,
    ),
    Flag(
        "--ready_needs",
        "STATE",
        "an in-state that must be LIVE for /readyz, also as SERVICE/STATE",
        "--ready_needs book",
        is_list=True,
    ),
    Flag(
        "--reload",
        "",
        "restart it when one of its files, its addresses or its config changes",
        "--reload",
    ),
)

LONG_NAMES: Final = tuple(flag.long_name.removeprefix("--") for flag in FLAGS)
"""The names of the flags, without dashes."""
