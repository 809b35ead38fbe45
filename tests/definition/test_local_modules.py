"""Modules beside service files: no service silently gets that of another folder."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from sf_actors.definition.source import ExecutedFile
from sf_actors.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: What the tests call their modules: names that no other test imports.
COMMON = "common_of_these_tests"


@pytest.fixture(autouse=True)
def _no_module_stays() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(folder: Path, **texts: str) -> Path:
    """Write modules into a folder, and return the path of `svc.py` in it."""
    for name, text in texts.items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.py").write_text(text)
    return folder / "svc.py"


@contextmanager
def loaded(file: Path) -> Iterator[ExecutedFile]:
    executed = ExecutedFile(file)
    try:
        yield executed
    finally:
        executed.unload()


def refusal(file: Path) -> str:
    with pytest.raises(DefinitionError) as caught, loaded(file):
        pass
    message = str(caught.value)
    assert "\n" not in message
    return message


def two(tmp_path: Path, text: str) -> tuple[Path, Path]:
    """Return two service files of this text, each with a common module of its own beside it."""
    one, other = (
        write(tmp_path / name, svc=text, **{COMMON: f"NAME = {name!r}"}) for name in ("one", "two")
    )
    return one, other


def test_a_second_service_with_a_module_of_that_name_is_refused_naming_both(tmp_path: Path) -> None:
    one, other = two(tmp_path, f"import {COMMON}")
    with loaded(one):
        message = refusal(other)
    assert str(one.parent / f"{COMMON}.py") in message
    assert str(other.parent / f"{COMMON}.py") in message


def test_so_it_is_when_the_first_has_ended(tmp_path: Path) -> None:
    one, other = two(tmp_path, f"from {COMMON} import NAME")
    with loaded(one):
        pass
    assert COMMON in refusal(other)


def test_an_import_within_a_function_counts_whichever_service_runs_it_first(
    tmp_path: Path,
) -> None:
    one, other = two(tmp_path, f"def main():\n    import {COMMON}\n    return {COMMON}.NAME")
    with loaded(one) as first:
        assert f"the service {one} imports" in refusal(other)
        assert first.module.main() == "one"
    assert "the process has imported" in refusal(other)


def test_an_import_by_a_module_beside_counts(tmp_path: Path) -> None:
    one, other = two(tmp_path, "")
    write(one.parent, svc=f"import {COMMON}")
    write(other.parent, svc="import package_of_these_tests.inner")
    package = other.parent / "package_of_these_tests"
    write(package, __init__="", inner="from . import deeper", deeper=f"import {COMMON}")
    with loaded(one):
        assert COMMON in refusal(other)


def test_what_a_service_does_not_import_is_no_obstacle(tmp_path: Path) -> None:
    one, other = two(tmp_path, f"import {COMMON}")
    write(other.parent, svc="x = 1")
    with loaded(one), loaded(other) as second:
        assert second.module.x == 1


def test_services_of_one_folder_share_its_modules(tmp_path: Path) -> None:
    one, _ = two(tmp_path, f"import {COMMON}")
    again = write(one.parent, svc=one.read_text(), again=one.read_text()).with_name("again.py")
    with ExitStack() as opened:
        modules = [opened.enter_context(loaded(file)).module for file in (one, one, again)]
        assert len({id(getattr(module, COMMON)) for module in modules}) == 1


def test_a_folder_by_another_name_is_the_same_folder(tmp_path: Path) -> None:
    one, _ = two(tmp_path, f"import {COMMON}")
    (tmp_path / "link").symlink_to(one.parent)
    with loaded(one), loaded(tmp_path / "link" / "svc.py"):
        pass


def test_a_module_of_the_working_directory_counts_where_the_folder_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two(tmp_path, f"import {COMMON}")
    bare = write(tmp_path / "bare", svc=f"import {COMMON}")
    monkeypatch.chdir(other.parent)
    with loaded(one):
        assert str(other.parent / f"{COMMON}.py") in refusal(bare)


def test_a_module_of_the_standard_library_in_the_place_of_ones_own_is_told(tmp_path: Path) -> None:
    file = write(tmp_path / "one", svc="import queue", queue="x = 1")
    assert "'queue'" in refusal(file)


def test_a_module_that_the_interpreter_itself_has_cannot_be_ones_own(tmp_path: Path) -> None:
    file = write(tmp_path / "one", svc="import time, os", time="x = 1", os="x = 1")
    with loaded(file):
        pass


def test_a_service_that_could_not_be_loaded_stands_in_nobodys_way(tmp_path: Path) -> None:
    one, other = two(tmp_path, f"def main():\n    import {COMMON}")
    write(one.parent, svc=f"def main():\n    import {COMMON}\nraise LookupError")
    with pytest.raises(LookupError), loaded(one):
        pass
    with loaded(other):
        pass


@pytest.mark.parametrize("age_s", [0, 3600])
def test_a_module_that_is_added_between_two_loads_counts(tmp_path: Path, age_s: float) -> None:
    one, other = two(tmp_path, f"def main():\n    import {COMMON}\n    return {COMMON}.NAME")
    common = other.parent / f"{COMMON}.py"
    common.unlink()
    changed_at = time.time() - age_s
    os.utime(other.parent, (changed_at, changed_at))
    with loaded(one) as first:
        first.module.main()
        with loaded(other):
            pass
        common.write_text("")
        assert COMMON in refusal(other)


def test_a_main_module_beside_is_no_obstacle(tmp_path: Path) -> None:
    file = write(tmp_path, svc="import __main__", __main__="")
    with loaded(file) as executed:
        assert executed.module.__main__ is sys.modules["__main__"]
