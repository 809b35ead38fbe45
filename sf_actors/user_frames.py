"""Tracebacks of user code, cut to the user's own frames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from types import TracebackType

_PACKAGE = str(Path(__file__).parent)
#: Service files that ship in the package are user code like any other.
_DEMO = str(Path(__file__).parent / "demo")

E = TypeVar("E", bound=BaseException)


def trimmed(error: E) -> E:
    """Return the error with the package's frames cut off the top of its traceback.

    An error that never left the package keeps its traceback: it is a bug of ours.
    """
    frame: TracebackType | None = error.__traceback__
    while frame is not None and _is_ours(frame):
        frame = frame.tb_next
    return error if frame is None else error.with_traceback(frame)


def _is_ours(frame: TracebackType) -> bool:
    name = frame.tb_frame.f_code.co_filename
    return (
        name.startswith(_PACKAGE) and not name.startswith(_DEMO)
    ) or name.startswith("<frozen importlib")
