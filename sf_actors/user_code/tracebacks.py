"""Tracebacks of user code, cut to the user's own frames."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).parent.parent
# with the separator, since the name of a folder beside it may begin like this one's
_PACKAGE = f"{_ROOT}{os.sep}"
#: Service files that ship in the package are user code like any other.
_DEMO = f"{_ROOT / 'demo'}{os.sep}"
#: Python's own modules. What pip installs may lie in a folder within.
_PYTHON = f"{Path(os.__file__).parent}{os.sep}"
_INSTALLED = f"{_PYTHON}site-packages{os.sep}"

E = TypeVar("E", bound=BaseException)

#: The line number that `TracebackType` takes for a frame without a line.
NO_LINE: Final = -1


def trimmed(error: E) -> E:
    """Return the error without the package's frames in its traceback.

    The same goes for its causes and, in a group, for its parts. An error that never left the
    package keeps its traceback: it is our bug.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        frames = [frame for frame in _frames(one) if not _is_ours(frame)]
        if frames:
            one.__traceback__ = _chained(frames)
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
    return error


def passed_user_code(error: BaseException) -> bool:
    """Return True if the error was raised in a function of the user, or passed through one."""
    return any(not (_is_ours(frame) or _is_of_python(frame)) for frame in _frames(error))


def _frames(error: BaseException) -> Iterator[TracebackType]:
    frame = error.__traceback__
    while frame is not None:
        yield frame
        frame = frame.tb_next


def _chained(frames: list[TracebackType]) -> TracebackType | None:
    chain: TracebackType | None = None
    for frame in reversed(frames):
        # a signal handler may raise where the code has no line
        line = NO_LINE if frame.tb_lineno is None else frame.tb_lineno
        chain = TracebackType(chain, frame.tb_frame, frame.tb_lasti, line)
    return chain


def _is_ours(frame: TracebackType) -> bool:
    return is_of_package(frame.tb_frame.f_code.co_filename)


def _is_of_python(frame: TracebackType) -> bool:
    name = frame.tb_frame.f_code.co_filename
    if name.startswith("<frozen "):
        return True
    return name.startswith(_PYTHON) and not name.startswith(_INSTALLED)


def is_of_package(name: str) -> bool:
    """Return True if a file belongs to the package or to the import system."""
    return (name.startswith(_PACKAGE) and not name.startswith(_DEMO)) or name.startswith(
        "<frozen importlib"
    )
