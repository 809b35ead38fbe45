"""From a service file to its definition: what loading checks, handlers, and the modes."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.definition.service_file import load
from sf_actors.errors import DefinitionError
from tests.definition.service_files import (
    BOOK_IN,
    BOOK_OUT,
    IN_STATE,
    ORDERS,
    OUT_STATE,
    PRICES,
    PUBLISHER,
    REPLYER,
    loading,
    prepared,
    refusal,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.definition.service_files import Load


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Load]:
    """Give a function that loads a service file with a text; all are unloaded at the end."""
    yield from loading(tmp_path)


def load_refusal(service: Load, text: str) -> str:
    with pytest.raises(DefinitionError) as caught:
        service(text)
    message = str(caught.value)
    assert "\n" not in message
    return message


# Loading


def test_the_name_is_that_of_the_file_without_py(service: Load) -> None:
    assert service("config_model = None").name == "svc"


def test_a_file_with_one_name_alone_is_a_service(service: Load) -> None:
    definition = prepared(service("state_models = {}"))
    assert definition.models == ()
    assert definition.init is definition.main is definition.sigint is None


def test_a_module_is_taken_as_it_is(tmp_path: Path) -> None:
    module = ModuleType("shop.orders")
    module.__dict__["init_function"] = init = lambda to_send, states, config: None
    file = load(module)
    assert (file.name, file.module) == ("orders", module)
    assert prepared(file).init is init
    file.unload()


@pytest.mark.parametrize("name", ["__main__", "__mp_main__"])
def test_a_module_that_is_the_main_program_has_the_name_of_its_file(name: str) -> None:
    module = ModuleType(name)
    module.__file__ = "/somewhere/shop.py"
    module.main = print  # type: ignore[attr-defined]
    assert load(module).name == "shop"


@pytest.mark.parametrize("source", [None, 5, ["svc.py"]])
def test_something_else_than_a_path_or_a_module_is_refused(source: Any) -> None:
    with pytest.raises(DefinitionError, match="expected the path of a service file, or a module"):
        load(source)


def test_a_path_may_be_text(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text("x, main = 1, print\n")
    file = load(str(tmp_path / "svc.py"))
    assert file.module.x == 1
    file.unload()


def test_a_file_that_is_refused_is_unloaded(service: Load) -> None:
    path, modules = list(sys.path), set(sys.modules)
    load_refusal(service, "main = 5\n")
    assert (sys.path, set(sys.modules)) == (path, modules)


@pytest.mark.parametrize(
    "name",
    [
        "setup_config",
        "setup_configs",
        "setup_addresses",
        "setup_connections",
        "setup_states",
        "setup_connection_models",
        "setup_state_models",
        "init_function",
        "main",
        "sigint_handler",
        "sigterm_handler",
    ],
)
def test_a_name_that_should_be_a_function_must_be_one(service: Load, name: str) -> None:
    message = load_refusal(service, f"{name} = 5\n")
    assert message == f"svc.py: {name}: expected a function, got int 5"


def test_a_signature_that_cannot_be_called_is_refused_at_load(service: Load) -> None:
    message = load_refusal(service, "def init_function(sender, config): pass\n")
    assert message.startswith("svc.py: init_function: expected a function of (to_send, states, ")


def test_both_spellings_of_setup_config_are_refused(service: Load) -> None:
    text = "def setup_config(config): pass\ndef setup_configs(config): pass\n"
    assert "got both" in load_refusal(service, text)


def test_a_config_model_that_is_none_is_refused_at_load(service: Load) -> None:
    assert load_refusal(service, "config_model = {'requird': {}}\n").startswith(
        "svc.py: config_model: "
    )


def test_none_counts_as_not_there(service: Load) -> None:
    assert prepared(service("init_function = None\nconfig_model = None\n")).init is None


# Handlers


def test_a_handler_is_bound_to_what_it_wants(service: Load) -> None:
    definition = prepared(service(REPLYER), ORDERS)
    handler = definition.handlers["connections", "in", "orders"]
    assert handler("args", "to_send", "states", "config") == ("args", "config")


def test_a_handler_that_cannot_be_called_is_refused_with_its_model(service: Load) -> None:
    text = REPLYER.replace("on_order(args, config)", "on_order(args, message)")
    message = refusal(service(text), ORDERS)
    assert message.startswith("svc.py: connection_models['in']['orders']: the handler: expected ")


def test_on_status_is_bound_to_what_it_wants(service: Load) -> None:
    text = IN_STATE.replace(
        "'full_update'", "'full_update', 'optional_creation_arguments': {'on_status': seen.append}"
    )
    file = service("seen = []" + text)
    bound = prepared(file, BOOK_IN).status_handlers["states", "in", "book"]
    bound("status", "to_send", "states", "config")
    assert file.module.seen == ["status"]


def test_a_target_may_be_a_name_in_the_file(service: Load) -> None:
    file = service(
        "def cancel(order_id): return {}\n"
        "connection_models = {'out': {'cancel': {'connection_type': 'external_target',\n"
        "    'required_creation_arguments': {'target': 'cancel'}}}}\n"
    )
    assert prepared(file).models[0].creation["target"] is file.module.cancel


# Modes


def test_main_mode_needs_main(service: Load) -> None:
    file = service("config_model = None\ndef mian(to_send): pass\n")
    message = refusal(file, main_mode=True)
    assert message.startswith("svc.py: main mode needs a function 'main'")
    assert message.endswith("did you mean 'mian'?")


def test_a_main_that_is_none_is_not_what_was_meant(service: Load) -> None:
    message = refusal(service("main = None\n"), main_mode=True)
    assert message.endswith("got none")


def test_main_mode_without_main_runs_no_hook(service: Load) -> None:
    refusal(service("def setup_config(config): 1 / 0\n"), main_mode=True)


def test_main_is_bound_in_main_mode(service: Load) -> None:
    definition = prepared(service("def main(a, b): return (a, b)\n"), main_mode=True)
    assert definition.main is not None
    assert definition.main("to_send", "states", "config") == ("to_send", "config")


def test_a_file_with_only_main_is_fine_in_service_mode(service: Load) -> None:
    assert prepared(service("def main(to_send, config): pass\n")).main is None


MAIN = "def main(): pass\n"


def test_main_mode_refuses_inbound_models_and_names_them(service: Load) -> None:
    message = refusal(service(REPLYER + IN_STATE + MAIN), main_mode=True)
    assert "connection 'orders', state 'book'" in message
    assert "allow_inbound" in message


def test_main_mode_with_allow_inbound_takes_them(service: Load) -> None:
    file = service(REPLYER + IN_STATE + MAIN)
    definition = prepared(file, ORDERS | BOOK_IN, main_mode=True, allow_inbound=True)
    assert len(definition.models) == 2


def test_the_file_itself_may_allow_inbound_models(service: Load) -> None:
    file = service(REPLYER + MAIN + "\nallow_inbound = True\n")
    assert len(prepared(file, ORDERS, main_mode=True).models) == 1


def test_what_allows_inbound_models_is_true_or_false(service: Load) -> None:
    message = refusal(service(REPLYER + MAIN + "\nallow_inbound = 'no'\n"), ORDERS)
    assert message == "svc.py: allow_inbound: expected True or False, got str 'no'"


def test_main_mode_takes_outbound_models(service: Load) -> None:
    file = service(PUBLISHER + OUT_STATE + MAIN)
    assert len(prepared(file, PRICES | BOOK_OUT, main_mode=True).models) == 2


def test_signal_hooks_are_bound(service: Load) -> None:
    definition = prepared(
        service(
            "def sigint_handler(signum, frame, to_send, states, config): return signum\n"
            "def sigterm_handler(): return 'term'\n"
        )
    )
    assert definition.sigint is not None
    assert definition.sigterm is not None
    assert definition.sigint(2, None, None, None, None) == 2
    assert definition.sigterm(15, None, None, None, None) == "term"
