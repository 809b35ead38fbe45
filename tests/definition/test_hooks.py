"""The setup hooks of a service file: their order, and what becomes of their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sf_actors.errors import AddressError, ConfigError, ModelError
from tests.definition.service_files import (
    BOOK_OUT,
    OUT_STATE,
    PRICES,
    PUBLISHER,
    at,
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


# Config


def test_setup_config_is_merged_over_the_config(service: Load) -> None:
    file = service("def setup_config(config): return {'b': config['a'] + 1}\n")
    assert prepared(file, config={"a": 1}).config == {"a": 1, "b": 2}


def test_setup_configs_is_another_spelling(service: Load) -> None:
    assert prepared(service("def setup_configs(config): return {'a': 1}\n")).config == {"a": 1}


@pytest.mark.parametrize("hook", ["setup_config", "setup_configs"])
@pytest.mark.parametrize("answer", ["{'prot': 1}", "{'port': '1'}"])
def test_an_answer_that_fails_the_model_is_refused_with_file_and_hook(
    service: Load, hook: str, answer: str
) -> None:
    file = service(
        f"config_model = {{'optional': {{'port': int}}}}\ndef {hook}(): return {answer}\n"
    )
    message = refusal(file, error=ConfigError)
    assert message.startswith(f"svc.py: {hook}(): ")
    assert "'port'" in message


def test_an_answer_in_required_and_optional_is_flattened(service: Load) -> None:
    file = service("def setup_config(c): return {'required': {'a': 1}, 'optional': {'b': 2}}\n")
    assert prepared(file).config == {"a": 1, "b": 2}


def test_the_config_is_checked_after_its_hook(service: Load) -> None:
    file = service(
        "config_model = {'required': {'a': int}}\ndef setup_config(config): return {'a': 1}\n"
    )
    assert prepared(file).config == {"a": 1}


def test_a_hook_that_answers_none_changes_nothing(service: Load) -> None:
    file = service("def setup_config(config): config['a'] = 2; config['b']['c'] = 3\n")
    assert prepared(file, config={"a": 1, "b": {}}).config == {"a": 1, "b": {}}


@pytest.mark.parametrize(
    "hook",
    [
        "setup_config",
        "setup_connections",
        "setup_states",
        "setup_addresses",
        "setup_connection_models",
        "setup_state_models",
    ],
)
def test_an_answer_that_is_no_dict_is_refused_with_the_hook(service: Load, hook: str) -> None:
    message = refusal(service(f"def {hook}(*given): return [1]\n"))
    assert message.startswith(f"svc.py: {hook}(): expected a dict, got list")


def test_an_answer_with_an_unknown_key_is_refused_with_the_hook(service: Load) -> None:
    file = service(
        "config_model = {'optional': {'symbol': str}}\n"
        "def setup_config(config): return {'symbl': 'x'}\n"
    )
    message = refusal(file, error=ConfigError)
    assert "setup_config" in message
    assert "did you mean 'symbol'?" in message


def test_what_a_hook_raises_is_raised_as_it_is(service: Load) -> None:
    with pytest.raises(ZeroDivisionError):
        prepared(service("def setup_config(config): 1 / 0\n"))


# Addresses


def test_each_socket_has_its_address(service: Load) -> None:
    definition = prepared(service(PUBLISHER), PRICES)
    endpoint = definition.addresses["connections", "out", "prices"]["publisher"]
    assert str(endpoint) == "127.0.0.1:5000"


def test_setup_addresses_gives_the_addresses_to_use(service: Load) -> None:
    text = "def setup_addresses(addresses, config): return config['addresses']\n"
    definition = prepared(service(PUBLISHER + text), {}, config={"addresses": PRICES})
    assert "publisher" in definition.addresses["connections", "out", "prices"]


def test_setup_addresses_that_answers_none_leaves_the_addresses(service: Load) -> None:
    text = "def setup_addresses(addresses): addresses.clear()\n"
    definition = prepared(service(PUBLISHER + text), PRICES)
    assert "publisher" in definition.addresses["connections", "out", "prices"]


def test_a_wrong_address_from_the_hook_names_the_hook(service: Load) -> None:
    text = (
        "def setup_addresses(*a): return {'connections': {'out': {'prices': {'publisher': 5}}}}\n"
    )
    assert "setup_addresses()" in refusal(service(PUBLISHER + text), error=AddressError)


def test_a_missing_address_is_refused(service: Load) -> None:
    assert "prices" in refusal(service(PUBLISHER), {}, error=AddressError)


# Models and their hooks


def test_setup_connections_is_merged_over_the_model(service: Load) -> None:
    text = "def setup_connections(config): return {'prices': {'topic': config['topic']}}\n"
    definition = prepared(service(PUBLISHER + text), PRICES, config={"topic": "a"})
    assert definition.models[0].creation["topic"] == "a"


def test_setup_states_is_merged_over_the_model(service: Load) -> None:
    text = "def setup_states(config): return {'book': {'topic': 'a'}}\n"
    definition = prepared(service(OUT_STATE + text), BOOK_OUT)
    assert definition.models[0].creation["topic"] == "a"


def test_setup_connections_for_an_unknown_name_is_refused(service: Load) -> None:
    text = "def setup_connections(config): return {'price': {}}\n"
    message = refusal(service(PUBLISHER + text))
    assert message.startswith("svc.py: setup_connections()['price']: ")
    assert message.endswith("did you mean 'prices'?")


def test_setup_states_for_a_connection_is_refused(service: Load) -> None:
    text = "def setup_states(config): return {'prices': {}}\n"
    assert "of which there are none" in refusal(service(PUBLISHER + text))


@pytest.mark.parametrize("answer", ["{'prices': 5}", "{5: {}}"])
def test_setup_connections_of_the_wrong_shape_is_refused(service: Load, answer: str) -> None:
    text = f"def setup_connections(config): return {answer}\n"
    assert refusal(service(PUBLISHER + text)).startswith("svc.py: setup_connections()")


def test_setup_connections_may_say_nothing_for_a_model(service: Load) -> None:
    text = "def setup_connections(config): return {'prices': None}\n"
    assert prepared(service(PUBLISHER + text), PRICES).models[0].creation["topic"] is None


def test_setup_connection_models_gives_the_models_to_use(service: Load) -> None:
    text = """
def setup_connection_models(models, config):
    return {'out': {**models['out'], 'more': {'connection_type': 'external_target',
                    'required_creation_arguments': {'target': len}}}}
"""
    names = [model.name for model in prepared(service(PUBLISHER + text), PRICES).models]
    assert names == ["prices", "more"]


def test_setup_connection_models_that_answers_none_leaves_the_models(service: Load) -> None:
    text = "def setup_connection_models(models): models['out'].clear()\n"
    assert len(prepared(service(PUBLISHER + text), PRICES).models) == 1


def test_setup_connection_models_gets_a_dict_where_there_are_none(service: Load) -> None:
    text = "def setup_connection_models(models): return {'out': {}, **models}\n"
    assert prepared(service(text)).models == ()


def test_a_wrong_model_from_the_hook_names_the_hook(service: Load) -> None:
    text = "def setup_state_models(models, config): return {'out': {'x': {}}}\n"
    assert refusal(service(text)).startswith("svc.py: setup_state_models()['out']['x']: ")


def test_setup_connections_is_merged_over_models_of_the_hook(service: Load) -> None:
    text = """
def setup_connection_models(models): return {'out': {'b': {'connection_type': 'publisher'}}}
def setup_connections(config): return {'b': {'topic': 'x'}}
"""
    definition = prepared(service(text), at("connections", "out", "b", "publisher"))
    assert definition.models[0].creation["topic"] == "x"


def test_hooks_run_in_the_documented_order(service: Load) -> None:
    text = """
order = []
def setup_states(config): order.append('states')
def setup_state_models(models): order.append('state models')
def setup_connections(config): order.append('connections')
def setup_connection_models(models): order.append('connection models')
def setup_addresses(addresses): order.append('addresses')
def setup_config(config): order.append('config')
"""
    file = service(text)
    prepared(file)
    assert file.module.order == [
        "config",
        "addresses",
        "connection models",
        "connections",
        "state models",
        "states",
    ]


def test_connections_come_before_states(service: Load) -> None:
    definition = prepared(service(OUT_STATE + PUBLISHER), PRICES | BOOK_OUT)
    assert [model.kind for model in definition.models] == ["connections", "states"]


def test_a_model_error_names_file_and_model(service: Load) -> None:
    message = refusal(service("connection_models = {'in': {'a': {}}}\n"), error=ModelError)
    assert message.startswith("svc.py: connection_models['in']['a']: ")


def test_setup_addresses_gets_a_dict_where_there_are_none(service: Load) -> None:
    text = f"def setup_addresses(addresses): return {PRICES!r} | addresses\n"
    definition = prepared(service(PUBLISHER + text), None)
    assert "publisher" in definition.addresses["connections", "out", "prices"]
