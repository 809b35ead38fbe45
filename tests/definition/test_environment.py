"""Variables of the environment in addresses and config."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sf_actors import AddressError, ConfigError
from sf_actors.definition.config.model import ConfigSource, read_config_file
from sf_actors.definition.environment import Expanded, Unset, expanded, unset_in

from .service_files import REPLYER, loading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .service_files import Load

ASKER = """
connection_models = {'out': {'orders': {'connection_type': 'requester'}}}
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "10.0.0.1")
    monkeypatch.setenv("PORT", "7001")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("MISSING", raising=False)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Load]:
    yield from loading(tmp_path)


def configured(service: Load, config: dict[str, Any], model: str = "None", rest: str = "") -> Any:
    source = ConfigSource(config)
    return service(f"config_model = {model}\n{rest}").prepare(source).config


def required(types: str) -> str:
    return f"{{'required': {types}}}"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("${HOST}:${PORT}", "10.0.0.1:7001"),
        ("${MISSING:127.0.0.1}:1", "127.0.0.1:1"),
        ("${HOST:127.0.0.1}:1", "10.0.0.1:1"),
        ("${MISSING:}", ""),
        ("${EMPTY:x}", ""),
        ("${MISSING:a:b$$}}", "a:b$}"),
        ("$$", "$"),
        ("$${HOST}", "${HOST}"),
        ("$HOST $ ${} ${HOST $", "$HOST $ ${} ${HOST $"),
        ("plain", "plain"),
    ],
)
def test_a_text_means(text: str, meant: str) -> None:
    assert expanded(text) == meant


def test_a_text_knows_whether_it_held_a_variable() -> None:
    assert type(expanded("${HOST}")) is Expanded
    assert type(expanded("a$$b")) is str


def test_texts_are_found_at_any_depth_but_keys_are_left() -> None:
    value = {"${HOST}": [{"a": "${HOST}"}, ("${PORT}", 1)]}

    assert expanded(value) == {"${HOST}": [{"a": "10.0.0.1"}, ("7001", 1)]}


def test_a_text_whose_variable_is_missing_stays_and_knows_which() -> None:
    value = expanded(["${HOST}", {"a": "${HOST}:${MISSING}"}])
    (unset,) = unset_in(value)

    assert value == ["10.0.0.1", {"a": "${HOST}:${MISSING}"}]
    assert isinstance(unset, Unset)
    assert unset.variable == "MISSING"


def test_an_address_takes_its_variables(service: Load) -> None:
    addresses = {"connections": {"in": {"orders": "${HOST}:${PORT}"}}}
    definition = service(REPLYER).prepare(ConfigSource(), addresses)
    endpoint = definition.addresses["connections", "in", "orders"]["replyer"]

    assert str(endpoint) == "10.0.0.1:7001"
    assert definition.given_addresses == {"connections": {"in": {"orders": "10.0.0.1:7001"}}}


def test_a_missing_variable_of_an_address_that_is_used_is_named(service: Load) -> None:
    addresses = {"connections": {"in": {"orders": {"replyer": "${MISSING}:1"}}}}
    with pytest.raises(AddressError) as caught:
        service(REPLYER).prepare(ConfigSource(), addresses)

    assert str(caught.value) == (
        "addresses['connections']['in']['orders']['replyer']: the environment variable 'MISSING' "
        "is not set, and str '${MISSING}:1' has no default for it"
    )


def test_a_missing_variable_of_somebody_elses_address_matters_not(service: Load) -> None:
    addresses = {
        "connections": {"in": {"orders": "${HOST}:1", "other": "${MISSING}"}, "out": "${MISSING}"}
    }

    service(REPLYER).prepare(ConfigSource(), addresses)


def test_a_hook_sees_the_values_and_may_replace_what_is_missing(service: Load) -> None:
    hook = """
def setup_addresses(addresses):
    entry = addresses['connections']['out']
    assert entry == {'orders': '${MISSING}:1', 'host': '10.0.0.1'}, entry
    return {'connections': {'out': {'orders': entry['host'] + ':2'}}}
"""
    given = {"connections": {"out": {"orders": "${MISSING}:1", "host": "${HOST}"}}}
    definition = service(ASKER + hook).prepare(ConfigSource(), given)

    assert str(definition.addresses["connections", "out", "orders"]["requester"]).endswith(":2")


def test_a_missing_variable_that_a_hook_hands_on_is_an_error(service: Load) -> None:
    hook = "def setup_addresses(addresses): return dict(addresses)"
    given = {"connections": {"out": {"orders": "${MISSING}:1"}}}
    with pytest.raises(AddressError, match="'MISSING' is not set"):
        service(ASKER + hook).prepare(ConfigSource(), given)


def test_what_a_hook_answers_is_taken_as_it_is(service: Load) -> None:
    hook = "def setup_config(): return {'text': '${HOST} $$'}"

    assert configured(service, {}, rest=hook) == {"text": "${HOST} $$"}


@pytest.mark.parametrize(
    ("type_", "given", "value"),
    [
        ("str", "${PORT}", "7001"),
        ("int", "${PORT}", 7001),
        ("bool", "${MISSING:yes}", True),
        ("[int]", "${MISSING:[1, 2]}", [1, 2]),
        ("[int]", ["${PORT}", 2], [7001, 2]),
        ("{str: int}", {"a": "${PORT}"}, {"a": 7001}),
        ("{'a': int}", {"a": "${PORT}"}, {"a": 7001}),
        ("int | str", "${PORT}", 7001),
        ("object", {"a": ["${PORT}"]}, {"a": ["7001"]}),
    ],
)
def test_a_config_text_with_a_variable_follows_the_rule_of_the_command_line(
    service: Load, type_: str, given: Any, value: Any
) -> None:
    config = configured(service, {"key": given}, required(f"{{'key': {type_}}}"))

    assert config == {"key": value}


def test_a_config_text_without_one_follows_the_rule_of_the_file(service: Load) -> None:
    with pytest.raises(ConfigError, match="expected int, got str '7001'"):
        configured(service, {"key": "7001"}, required("{'key': int}"))


def test_without_a_model_it_is_text(service: Load) -> None:
    config = configured(service, {"required": {"key": "${PORT}"}})

    assert config == {"key": "7001"}
    assert type(config["key"]) is str


@pytest.mark.parametrize("model", ["None", required("{'key': object}"), required("{'key': [int]}")])
def test_a_missing_variable_of_a_config_value_is_named(service: Load, model: str) -> None:
    with pytest.raises(ConfigError, match=r"config: 'key': .*variable 'MISSING' is not set"):
        configured(service, {"key": ["${MISSING}"]}, model)


def test_setup_config_may_replace_what_is_missing(service: Load) -> None:
    hook = "def setup_config(config): return {'key': len(config['key'])}"
    model = required("{'key': int}")

    assert configured(service, {"key": "${MISSING}"}, model, hook) == {"key": 10}


def test_a_value_that_does_not_fit_is_told_as_that_of_its_file(
    service: Load, tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"key": "${HOST}"}')
    source = ConfigSource(read_config_file(path), where="config.json")
    with pytest.raises(ConfigError, match=r"config\.json: 'key': expected int, got str '10\.0"):
        service("config_model = {'required': {'key': int}}").prepare(source)
