"""Executing service files: each afresh, beside each other, without leaving anything behind."""

from __future__ import annotations

import pickle
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sf_actors.definition.source import PACKAGE, ExecutedFile, ImportPath
from sf_actors.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """Hold that a test leaves the process as it found it, imported modules aside."""
    path = list(sys.path)
    yield
    assert sys.path == path
    assert not [name for name in sys.modules if name.startswith(f"{PACKAGE}.")]


def write(folder: Path, text: str, name: str = "svc.py") -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(text)
    return file


def run(file: Path) -> ExecutedFile:
    executed = ExecutedFile(file)
    executed.unload()
    return executed


def refusal(file: Path) -> str:
    with pytest.raises(DefinitionError) as caught:
        ExecutedFile(file)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_each_execution_has_globals_of_its_own(tmp_path: Path) -> None:
    file = write(tmp_path, "seen = []\n")
    first, second = run(file), run(file)
    assert first.module.seen is not second.module.seen


def test_a_file_that_changed_within_the_same_moment_is_read_anew(tmp_path: Path) -> None:
    file = write(tmp_path, "x = 1\n")
    assert run(file).module.x == 1
    write(tmp_path, "x = 2\n")
    assert run(file).module.x == 2


def test_a_file_that_changed_back_is_read_as_it_was_first(tmp_path: Path) -> None:
    texts = ("x = 1\n", "x = 2\n", "x = 1\n")
    assert [run(write(tmp_path, text)).module.x for text in texts] == [1, 2, 1]


def test_equal_files_are_each_told_by_their_own_path(tmp_path: Path) -> None:
    text = "def f():\n    pass\n"
    for name in ("first.py", "second.py"):
        file = write(tmp_path, text, name)
        assert run(file).module.f.__code__.co_filename == str(file)


def test_a_function_of_one_execution_can_be_changed_without_the_other(tmp_path: Path) -> None:
    file = write(tmp_path, "def f(x=1):\n    return x\n")
    first, second = run(file), run(file)
    first.module.f.__defaults__ = (2,)
    first.module.f.note = "changed"
    assert second.module.f() == 1
    assert not hasattr(second.module.f, "note")


def test_no_bytecode_is_written(tmp_path: Path) -> None:
    run(write(tmp_path, "x = 1\n"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["svc.py"]


def test_the_file_knows_its_path_and_is_not_main(tmp_path: Path) -> None:
    file = write(tmp_path, "path, name = __file__, __name__\n")
    module = run(file).module
    assert module.path == str(file)
    assert module.name != "__main__"


def test_a_file_may_have_any_name_and_suffix(tmp_path: Path) -> None:
    assert run(write(tmp_path / "my dir", "x = 1\n", "my service.v2.txt")).module.x == 1


def test_a_relative_path_is_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, "path = __file__\n")
    monkeypatch.chdir(tmp_path)
    assert run(file.relative_to(tmp_path)).module.path == str(file)


def test_the_folder_of_the_file_can_be_imported_from(tmp_path: Path) -> None:
    write(tmp_path, "value = 7\n", "beside_the_service.py")
    file = write(tmp_path, "from beside_the_service import value\n")
    assert run(file).module.value == 7


def test_the_working_directory_can_be_imported_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "value = 8\n", "in_the_working_directory.py")
    file = write(tmp_path / "sub", "from in_the_working_directory import value\n")
    monkeypatch.chdir(tmp_path)
    assert run(file).module.value == 8


def test_the_folder_can_be_imported_from_until_it_is_unloaded(tmp_path: Path) -> None:
    write(tmp_path, "value = 9\n", "imported_late.py")
    file = write(
        tmp_path, "def late():\n    import imported_late\n    return imported_late.value\n"
    )
    executed = ExecutedFile(file)
    try:
        assert executed.module.late() == 9
    finally:
        executed.unload()


def test_dataclasses_and_pickle_find_the_module(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from typing import ClassVar, get_type_hints\n"
        "@dataclass\nclass Order:\n    size: int\n    kind: ClassVar[str] = 'x'\n"
        "hints = get_type_hints(Order)\n",
    )
    executed = ExecutedFile(file)
    try:
        order = executed.module.Order(5)
        assert pickle.loads(pickle.dumps(order)) == order
    finally:
        executed.unload()


def test_unloading_twice_is_once(tmp_path: Path) -> None:
    first, second = (ExecutedFile(write(tmp_path, "")) for _ in range(2))
    first.unload()
    first.unload()
    assert str(tmp_path) in sys.path
    second.unload()


def test_a_folder_that_was_there_before_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    executed = ExecutedFile(write(tmp_path, ""))
    assert sys.path.count(str(tmp_path)) == 1
    executed.unload()
    assert sys.path.count(str(tmp_path)) == 1
    monkeypatch.undo()


def test_a_folder_leaves_with_its_last_holder() -> None:
    path = ImportPath()
    assert [path.hold("/of/two") for _ in range(2)] == [True, True]
    path.release("/of/two")
    assert sys.path.count("/of/two") == 1
    path.release("/of/two")
    assert "/of/two" not in sys.path


def test_a_folder_that_user_code_took_out_is_not_missed() -> None:
    path = ImportPath()
    assert path.hold("/taken/out")
    sys.path.remove("/taken/out")
    path.release("/taken/out")


def test_many_threads_may_load_at_once(tmp_path: Path) -> None:
    files = [write(tmp_path / str(n % 3), f"x = {n}\n", f"svc{n}.py") for n in range(24)]
    found: dict[int, int] = {}

    def load(n: int) -> None:
        found[n] = run(files[n]).module.x

    threads = [threading.Thread(target=load, args=(n,)) for n in range(len(files))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == {n: n for n in range(24)}


def test_a_deleted_working_directory_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, "x = 1\n")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert run(file).module.x == 1


# What is refused


def test_a_missing_file_is_refused_with_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, "")
    message = refusal(tmp_path / "svcc.py")
    assert message.startswith("there is no service file '")
    assert message.endswith("did you mean 'svc.py'?")


def test_a_file_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    assert "there is no service file" in refusal(tmp_path / "none" / "svc.py")


def test_a_folder_is_refused_and_the_file_in_it_named(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"expected a service file, got the folder {str(tmp_path)!r}"
    write(tmp_path, "", "service.py")
    assert refusal(tmp_path).endswith(f"such as {str(tmp_path / 'service.py')!r}")


def test_what_is_no_regular_file_is_refused() -> None:
    assert "no regular file" in refusal(Path("/dev/null"))


def test_a_path_with_a_null_is_refused(tmp_path: Path) -> None:
    refusal(tmp_path / "a\0b.py")


def test_a_syntax_error_names_file_and_line(tmp_path: Path) -> None:
    file = write(tmp_path, "x = 1\ndef broken(:\n")
    assert refusal(file).startswith(f"{file}:2: SyntaxError: ")


def test_a_syntax_error_in_a_module_beside_names_that_file(tmp_path: Path) -> None:
    other = write(tmp_path, "\n\n  x = (\n", "broken_beside.py")
    assert refusal(write(tmp_path, "import broken_beside\n")).startswith(f"{other}:3: ")


def test_a_syntax_error_of_an_evaluated_text_is_raised_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(SyntaxError):
        ExecutedFile(write(tmp_path, "eval('1 +')\n"))


def test_bytes_that_are_no_python_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "svc.py"
    file.write_bytes(b"x = '\xff'\n")
    assert str(file) in refusal(file)


def test_null_bytes_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path, "y = 0\nx = 1\0\n")
    assert refusal(file) == f"{file}:2: SyntaxError: source code cannot contain null bytes"


def test_what_the_file_raises_is_raised_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        ExecutedFile(write(tmp_path, "1 / 0\n"))


def test_an_exit_in_the_file_is_raised_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        ExecutedFile(write(tmp_path, "raise SystemExit(3)\n"))
