"""Finds long-running calls of user code, with the line where each of them is."""

from __future__ import annotations

import os
import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from sf_actors.user_code.interruptible import UserCode
from sf_actors.user_code.tracebacks import is_of_package

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from sf_actors.lifecycle.residents import Resident

#: The function that calls user code: frames above it are not the user's.
_BEGIN: Final = UserCode.run.__code__

LONG_S: Final = 1.0
"""How long a call may run before it is listed, in seconds."""

#: The folder of the standard library, whose callers are more informative.
_PYTHON: Final = f"{os.path.dirname(os.__file__)}{os.sep}"  # noqa: PTH120
#: The folders of installed packages, likewise.
_PACKAGES: Final = ("site-packages", "dist-packages")


def running_in(resident: Resident, longer_than_s: float = LONG_S) -> list[dict[str, Any]]:
    """Return the calls of a service that have run longer than a time in seconds; any thread.

    :returns: for each the `model`, `since_s` in seconds, and `at`, its line
    """
    found = []
    for code in _places(resident):
        label, thread_id, began = code.label, code.thread_id, code.began
        since_s = perf_counter() - began
        if label is None or thread_id is None or since_s <= longer_than_s:
            continue
        frame = sys._current_frames().get(thread_id)  # noqa: SLF001 - the only way to see it
        at = _line_of(frame)
        if code.began == began and code.label is not None:
            # still the same call, so the frame belongs to it
            found.append({"model": _model_of(resident, label), "since_s": since_s, "at": at})
    return found


def _model_of(resident: Resident, label: str) -> str:
    """Return the model whose handler has a label, else the label itself, such as `main`."""
    models = () if resident.state is None else resident.state.definition.models
    return next((model.name for model in models if model.where == label), label)


def _places(resident: Resident) -> Iterator[UserCode]:
    """Yield the places where user code of a service runs."""
    yield resident.loading
    state = resident.state
    if state is not None:
        yield state.main_code
        yield state.run_context.handler_lock.user_code
        for pool in list(state.run_context.pools.values()):
            yield from pool.places


def _line_of(frame: FrameType | None) -> str | None:
    """Return the innermost line in the user's own code, else in a library, or None."""
    library = None
    for one in _frames(frame):
        name = one.f_code.co_filename
        if is_of_package(name):
            continue
        line = f"{name}:{one.f_lineno}"
        if not _is_library(name):
            return line
        library = library or line
    return library


def _is_library(name: str) -> bool:
    return name.startswith((_PYTHON, "<frozen")) or any(part in name for part in _PACKAGES)


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield the frames of a call and of a coroutine that it waits for, innermost first."""
    while frame is not None and frame.f_code is not _BEGIN:
        if is_of_package(frame.f_code.co_filename):
            # the thread waits for the end of an `AsyncCall`
            task = getattr(frame.f_locals.get("call"), "task", None)
            yield from reversed(list(_coroutine_frames(task)))
        yield frame
        frame = frame.f_back


def _coroutine_frames(task: Any) -> Iterator[FrameType]:
    """Yield the frames of a task's coroutine, outermost first."""
    one = None if task is None else task.get_coro()
    while one is not None:
        frame = getattr(one, "cr_frame", None) or getattr(one, "gi_frame", None)
        if frame is not None:
            yield frame
        one = getattr(one, "cr_await", None) or getattr(one, "gi_yieldfrom", None)
