"""Tracebacks of user code, cut to the user's own frames."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TypeVar

_PACKAGE = str(Path(__file__).parent)
#: Service files that ship in the package are user code like any other.
_DEMO = str(Path(__file__).parent / "demo")

E = TypeVar("E", bound=BaseException)


def trimmed(error: E) -> E:
    """Return the error without the package's frames in its traceback and those of its causes.

    An error that never left the package keeps its traceback: it is a bug of ours.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        frames: list[TracebackType] = []
        frame = one.__traceback__
        while frame is not None:
            if not _is_ours(frame):
                frames.append(frame)
            frame = frame.tb_next
        if frames:
            one.__traceback__ = _chained(frames)
        waiting += [one.__cause__, one.__context__]
    return error


def _chained(frames: list[TracebackType]) -> TracebackType | None:
    chain: TracebackType | None = None
    for frame in reversed(frames):
        chain = TracebackType(chain, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return chain


def _is_ours(frame: TracebackType) -> bool:
    name = frame.tb_frame.f_code.co_filename
    return (name.startswith(_PACKAGE) and not name.startswith(_DEMO)) or name.startswith(
        "<frozen importlib"
    )
