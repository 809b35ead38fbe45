"""Names of a service file that were probably meant to be one of ours."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from sf_actors import DefinitionError, Service
from sf_actors.definition.names import NAMES, require_plain
from sf_actors.definition.service_file import load
from sf_actors.testing import module_of

from .service_files import loading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .service_files import Load

MAIN = "def main(): pass\n"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Load]:
    yield from loading(tmp_path)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("conection_models = {}", "connection_models"),
        ("state_model = {'in': {}}", "state_models"),
        ("def init_func(): pass", "init_function"),
        ("def setup_address(addresses): pass", "setup_addresses"),
        ("def sigterm_handlr(): pass", "sigterm_handler"),
        ("config_modle = {}", "config_model"),
        ("setup_conections = lambda config: {}", "setup_connections"),
        ("async def init_functoin(): pass", "init_function"),
    ],
)
def test_a_function_or_a_dict_that_misses_one_of_ours_is_refused(
    service: Load, text: str, meant: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        service(MAIN + text)
    name = text.removeprefix("async ").removeprefix("def ").partition(" ")[0].partition("(")[0]

    assert str(caught.value) == (
        f"svc.py: {name!r} is no name of a service file; did you mean {meant!r}?"
    )


@pytest.mark.parametrize(
    "text",
    [
        "import math",
        "from json import dumps as init_functio",
        "from collections import OrderedDict as conection_model",
        "_conection_models = {}",
        "conection_models = []",
        "conection_models = {}\nconnection_models = {}",
        "def init_func(): pass\ninit_function = init_func",
        "def page(): pass\ndef mains(): pass\nconfig = {}",
        "def sighup_handler(): pass",
        "class StateModels: pass",
        "my_connection_models = {}",
    ],
)
def test_other_names_raise_no_alarm(service: Load, text: str) -> None:
    service(MAIN + text)


def test_a_module_is_held_to_the_same() -> None:
    module = ModuleType("shop")
    module.__dict__.update(main=print, conection_models={})
    with pytest.raises(DefinitionError, match="shop: 'conection_models' is no name"):
        load(module)


@pytest.mark.parametrize("text", ["", "x = 1", "import math", "def helper(): pass"])
def test_a_file_without_any_of_our_names_is_no_service_file(service: Load, text: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        service(text)

    assert str(caught.value) == (
        f"svc.py: expected a service file, got one without any of its names ({', '.join(NAMES)})"
    )


def test_a_file_without_any_of_our_names_hints_at_a_short_one(service: Load) -> None:
    with pytest.raises(DefinitionError, match="did you mean 'main'"):
        service("def mian(): pass")


def test_a_module_without_any_of_our_names_is_no_service() -> None:
    import math

    with pytest.raises(DefinitionError, match="expected a service file"):
        load(math)


@pytest.mark.parametrize("name", ["a/b", "a#2", "a@b", "a\nb", "\x00", "a\x7f"])
def test_a_name_that_could_not_stand_in_an_address_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match="expected a name without '/', '#', '@'") as raised:
        require_plain(name, where="here")
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("name", ["a", "größe", "a b", "a.b-c_d", "x2", "日"])
def test_other_names_are_accepted(name: str) -> None:
    require_plain(name, where="here")


def test_services_and_models_are_held_to_it() -> None:
    model = {"connection_type": "publisher"}
    for module, name in (
        (module_of(connection_models={"out": {"a/b": model}}), None),
        (module_of(state_models={"out": {"a#b": {"state_type": "full_update_out"}}}), None),
        (module_of(main=print), "a@b"),
    ):
        with pytest.raises(DefinitionError, match="expected a name without"):
            Service(module, name=name, console_loglevel=None).run_service()
