"""The text of a target, and what it finds."""

from __future__ import annotations

import math
import xml
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.definition.target import resolve_target
from sf_actors.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path


class Client:
    @staticmethod
    def cancel(order_id: str) -> dict[str, Any]:
        return {"order_id": order_id}


def resolve(target: object) -> Any:
    return resolve_target(target, {"Client": Client, "xml": xml, "five": 5}, where="t")


def refusal(target: object) -> str:
    with pytest.raises(ModelError) as caught:
        resolve(target)
    return str(caught.value)


def test_a_callable_is_itself() -> None:
    assert resolve(Client.cancel) is Client.cancel


def test_a_text_names_a_function_of_a_module() -> None:
    assert resolve("math.floor") is math.floor


def test_a_text_names_a_method_of_a_class_in_a_submodule() -> None:
    assert resolve("collections.abc.Mapping.get").__qualname__ == "Mapping.get"


def test_a_text_names_something_in_the_service_file() -> None:
    assert resolve("Client.cancel") is Client.cancel


def test_a_submodule_that_is_not_imported_yet_is_imported() -> None:
    assert resolve("xml.dom.pulldom.parseString").__name__ == "parseString"


def test_the_part_that_is_not_found_is_named() -> None:
    message = refusal("math.flour")
    assert message == (
        "t: found no 'flour' in 'math', looking for 'math.flour'; did you mean 'floor'?"
    )


def test_a_first_part_that_is_not_found_is_named() -> None:
    message = refusal("Clint.cancel")
    assert "'Clint', the first part of 'Clint.cancel'" in message
    assert message.endswith("did you mean 'Client'?")


@pytest.mark.parametrize("text", ["", ".", "math.", ".math", "math..floor"])
def test_an_empty_part_is_refused(text: str) -> None:
    refusal(text)


def test_what_cannot_be_called_is_refused() -> None:
    assert refusal("five") == "t: expected a callable, got int 5"


def test_a_coroutine_function_is_refused() -> None:
    async def call() -> None: ...

    assert "coroutine" in refusal(call)


def test_what_a_module_raises_while_it_is_imported_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "target_that_raises.py").write_text("raise ZeroDivisionError('mine')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ZeroDivisionError, match="mine"):
        resolve("target_that_raises.f")


def test_a_module_that_a_module_lacks_is_its_own_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "target_that_lacks.py").write_text("import no_such_module_here\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_module_here"):
        resolve("target_that_lacks.f")
