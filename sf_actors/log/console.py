"""The console: standard error as it is at the moment of the write."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from sf_actors.errors import ServiceStopped
from sf_actors.log.rendering import to_json, to_text

# Reentrant: a signal handler that logs may interrupt a write in its own thread.
_console_lock = threading.RLock()


def _renew_console_lock() -> None:
    global _console_lock  # noqa: PLW0603 - another thread may have held it when the process forked
    _console_lock = threading.RLock()


os.register_at_fork(after_in_child=_renew_console_lock)


def write_to_console(line: dict[str, Any], encoded: str | None) -> None:
    """Write one line to the current standard error: coloured text on a terminal, else JSON.

    :param encoded: the line as JSON, if the caller has it already
    """
    stream = sys.stderr
    try:
        encoding = (getattr(stream, "encoding", None) or "utf-8").lower()
        if stream.isatty():
            text = to_text(line, colours="NO_COLOR" not in os.environ)
            text = text.encode(encoding, "backslashreplace").decode(encoding)
        elif encoded is not None and encoding == "utf-8":
            text = encoded
        else:
            text = to_json(line, ascii_only=encoding != "utf-8")
        with _console_lock:
            stream.write(text + "\n")
            stream.flush()
    except ServiceStopped:
        raise
    except Exception:  # noqa: BLE001 - closed, broken or replaced: there is nowhere to report it
        return
