"""Which frames of a traceback are the user's own."""

from __future__ import annotations

import posixpath
import sys
import traceback
from pathlib import Path
from types import FrameType, TracebackType

import pytest

import sf_actors
from sf_actors.user_code.tracebacks import NO_LINE, passed_user_code, trimmed

PACKAGE = Path(sf_actors.__file__).parent


def raised(name: str, error: Exception) -> Exception:
    """Return the error, raised in a file of that name and caught in this one."""
    try:
        exec(compile("raise error", name, "exec"), {"error": error})
    except LookupError as caught:
        return caught
    raise AssertionError("nothing was raised")


def files_of(error: Exception) -> list[str]:
    return [frame.filename for frame in traceback.extract_tb(error.__traceback__)]


def test_frames_of_python_are_nobodys_even_if_frozen() -> None:
    with pytest.raises(TypeError) as caught:
        posixpath.join(1, 2)  # type: ignore[call-overload]
    error = caught.value
    frames = error.__traceback__
    assert frames is not None
    assert passed_user_code(error)
    assert not passed_user_code(error.with_traceback(frames.tb_next))


def test_frames_of_the_package_are_cut() -> None:
    error = raised(str(PACKAGE / "runtime.py"), LookupError())
    assert files_of(trimmed(error)) == [__file__]


def test_a_folder_whose_name_begins_as_the_packages_is_the_users() -> None:
    beside = str(PACKAGE.with_name("sf_actors_of_mine") / "svc.py")
    assert files_of(trimmed(raised(beside, LookupError()))) == [__file__, beside]


def test_the_parts_of_a_group_are_cut_as_well() -> None:
    part = raised(str(PACKAGE / "runtime.py"), LookupError())
    trimmed(ExceptionGroup("both", [part]))
    assert files_of(part) == [__file__]


def test_an_error_that_came_through_user_code_is_told_from_one_of_ours_alone() -> None:
    error = LookupError()
    assert not passed_user_code(error)
    assert passed_user_code(raised("svc.py", error))


def test_a_frame_may_be_at_no_line() -> None:
    """A signal's handler may raise there: where a function gets hold of what encloses it."""
    error = LookupError()

    def frame_of_closure() -> FrameType:
        assert error is not None
        return sys._getframe()

    frame = frame_of_closure()
    nowhere = next(start for start, _, line in frame.f_code.co_lines() if line is None)
    error.__traceback__ = TracebackType(None, frame, nowhere, NO_LINE)
    assert error.__traceback__.tb_lineno is None
    assert trimmed(error).__traceback__ is not None
