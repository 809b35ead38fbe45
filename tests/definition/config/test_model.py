from __future__ import annotations

import math
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.cli.flags import LONG_NAMES
from sf_actors.definition.config.model import ConfigModel, ConfigSource, flatten, read_config_file
from sf_actors.errors import ConfigError, DefinitionError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


class Side(Enum):
    BUY = "buy"
    SELL = "sell"


def written(tmp_path: Path, text: str) -> dict[str, object]:
    path = tmp_path / "config.json"
    path.write_text(text, encoding="utf-8")
    return read_config_file(path)


def start(model: ConfigModel, source: ConfigSource) -> dict[str, Any]:
    return model.check(model.convert(source), source)


def from_line(type_: object, text: str | bool) -> Any:
    model = ConfigModel({"required": {"key": type_}})
    return start(model, ConfigSource({}, {"key": text}))["key"]


def from_object(type_: object, value: object) -> Any:
    model = ConfigModel({"required": {"key": type_}})
    return start(model, ConfigSource({"key": value}))["key"]


def from_file(tmp_path: Path, type_: object, value: str) -> Any:
    model = ConfigModel({"required": {"key": type_}})
    return start(model, ConfigSource(written(tmp_path, f'{{"key": {value}}}')))["key"]


def same(value: object, expected: object) -> bool:
    return type(value) is type(expected) and value == expected


# The file


def test_a_missing_config_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.json: cannot read the config file: No such file"):
        read_config_file(tmp_path / "none.json")


def test_a_config_file_that_is_not_json_is_named_with_line_and_column(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.json: line 2, column 8: not JSON"):
        written(tmp_path, '{\n  "a": oops}')


def test_a_config_file_that_is_not_an_object_says_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a JSON object in the config file, got a list"):
        written(tmp_path, "[1]")


def test_a_key_that_stands_twice_in_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the key 'a' stands twice"):
        written(tmp_path, '{"a": 1, "a": 2}')


def test_a_config_file_of_foreign_bytes_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(ConfigError, match="byte 7 is not utf-8"):
        read_config_file(path)


def test_a_config_file_nested_too_deep_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nested too deep"):
        written(tmp_path, '{"a":' + "[" * 100_000)


def test_a_number_is_a_decimal_exactly_as_written(tmp_path: Path) -> None:
    read = from_file(tmp_path, Decimal, "0.10000000000000000000000010")
    assert str(read) == "0.10000000000000000000000010"


def test_numbers_inside_a_mapping_are_decimals_exactly_as_written(tmp_path: Path) -> None:
    read = from_file(tmp_path, {Decimal: Decimal}, '{"1.50": 2.500}')
    assert str(read) == "{Decimal('1.50'): Decimal('2.500')}"


def test_an_integer_is_a_decimal(tmp_path: Path) -> None:
    assert same(from_file(tmp_path, Decimal, "7"), Decimal(7))


@pytest.mark.parametrize("type_", [float, object, float | None])
def test_a_number_is_a_plain_float(tmp_path: Path, type_: object) -> None:
    assert same(from_file(tmp_path, type_, "1.50"), 1.5)


def test_a_number_deep_inside_an_undeclared_place_is_a_plain_float(tmp_path: Path) -> None:
    read = from_file(tmp_path, dict, '{"a": [1.5]}')
    assert same(read["a"][0], 1.5)


def test_a_number_without_a_model_is_a_plain_float(tmp_path: Path) -> None:
    source = ConfigSource(written(tmp_path, '{"a": 1.5}'))
    assert same(start(ConfigModel(None), source)["a"], 1.5)


def test_a_number_that_could_not_be_converted_is_a_plain_float(tmp_path: Path) -> None:
    source = ConfigSource(written(tmp_path, '{"a": 1.5}'))
    assert same(ConfigModel({"required": {"a": int}}).convert(source)["a"], 1.5)


def test_a_number_beyond_the_floats_is_infinite_as_python_reads_it(tmp_path: Path) -> None:
    assert same(from_file(tmp_path, float, "1e999"), math.inf)


def test_an_integer_beyond_the_floats_is_no_float(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected float"):
        from_file(tmp_path, float, "1" + "0" * 400)


def test_a_number_with_a_fraction_is_no_int(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'key': expected int, got float 5\.0"):
        from_file(tmp_path, int, "5.0")


# The file's rule


def test_the_message_names_file_key_expectation_and_value() -> None:
    source = ConfigSource({"limits": {"max": "x"}}, where="my config.json")
    model = ConfigModel({"required": {"limits": {"max": Decimal}}})
    with pytest.raises(ConfigError) as caught:
        start(model, source)
    assert str(caught.value) == "my config.json: 'limits.max': expected Decimal, got str 'x'"


def test_containers_of_an_object_are_copied() -> None:
    given = {"key": {"inner": [1]}}
    config = ConfigModel(None).convert(ConfigSource(given))
    config["key"]["inner"].append(2)
    assert given == {"key": {"inner": [1]}}


def test_a_config_that_contains_itself_is_one_line() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(ConfigError, match="'key' is nested too deep"):
        from_object(object, loop)


# The command line


def test_the_message_names_the_flag_and_its_text() -> None:
    with pytest.raises(ConfigError) as caught:
        from_line(int, "many")
    assert str(caught.value) == "--key: 'key': expected int, got str 'many'"


def test_a_bare_flag_for_anything_but_a_bool_says_that_a_value_is_missing() -> None:
    with pytest.raises(ConfigError, match="--key: 'key': expected int, got a flag without a value"):
        from_line(int, True)


def test_the_command_line_goes_over_the_file() -> None:
    model = ConfigModel({"required": {"a": int, "b": int}})
    assert start(model, ConfigSource({"a": 1, "b": 1}, {"b": "2"})) == {"a": 1, "b": 2}


def test_the_command_line_replaces_a_value_of_the_file_that_has_another_type() -> None:
    model = ConfigModel({"required": {"a": int}})
    assert start(model, ConfigSource({"a": "x"}, {"a": "2"})) == {"a": 2}


def test_dashes_in_a_key_of_the_command_line_count_as_underscores() -> None:
    model = ConfigModel({"required": {"batch_size": int}})
    assert start(model, ConfigSource({}, {"batch-size": "2"})) == {"batch_size": 2}


# The model


def test_without_a_model_everything_is_accepted() -> None:
    source = ConfigSource({"a": [1, None]}, {"b": "5", "c": True})
    assert start(ConfigModel(None), source) == {"a": [1, None], "b": "5", "c": True}


def test_sides_that_are_missing_or_none_are_empty() -> None:
    assert start(ConfigModel({"required": None}), ConfigSource()) == {}


def test_a_missing_required_key_is_named() -> None:
    model = ConfigModel({"required": {"port": int}}, where="svc.py: config_model")
    with pytest.raises(ConfigError, match=r"c\.json: missing 'port' \(int\), required by svc\.py"):
        start(model, ConfigSource({}, where="c.json"))


@pytest.mark.parametrize(
    ("key", "flag"),
    [
        ("address_path", "addresses_path"),
        ("address-path", "addresses_path"),
        ("console_log", "console_loglevel"),
        ("allow_inbuond", "allow_inbound"),
    ],
)
def test_a_key_of_the_command_line_that_misses_a_flag_is_refused(key: str, flag: str) -> None:
    source = ConfigSource({}, {key: "x"}, flags=LONG_NAMES)
    with pytest.raises(UsageError, match=f"did you mean '--{flag}'"):
        ConfigModel(None).require_no_flag(source)


@pytest.mark.parametrize("key", ["key", "page", "names", "batch_size", "service", "my_log_path"])
def test_a_key_that_is_like_no_flag_is_one_of_the_config(key: str) -> None:
    ConfigModel(None).require_no_flag(ConfigSource({}, {key: "x"}, flags=LONG_NAMES))


def test_a_declared_key_is_one_of_the_config_whatever_it_is_like() -> None:
    model = ConfigModel({"optional": {"address_path": str}})
    model.require_no_flag(ConfigSource({}, {"address-path": "x"}, flags=LONG_NAMES))


def test_a_missing_optional_key_stays_missing() -> None:
    assert start(ConfigModel({"optional": {"port": int}}), ConfigSource()) == {}


def test_an_unknown_key_names_the_nearest() -> None:
    model = ConfigModel({"optional": {"port": int}})
    with pytest.raises(
        ConfigError, match=r"c\.json: unknown config key 'prot'; did you mean 'port'"
    ):
        start(model, ConfigSource({"prot": 1}, where="c.json"))


def test_an_unknown_key_of_the_command_line_names_its_flag() -> None:
    with pytest.raises(ConfigError, match="--prot: unknown config key 'prot'"):
        start(ConfigModel({"optional": {"port": int}}), ConfigSource({}, {"prot": "1"}))


def test_an_empty_model_knows_no_key() -> None:
    with pytest.raises(ConfigError, match="unknown config key 'a'"):
        start(ConfigModel({}), ConfigSource({"a": 1}))


def test_an_unknown_side_of_the_model_names_the_nearest() -> None:
    with pytest.raises(DefinitionError, match="got str 'requried'; did you mean 'required'"):
        ConfigModel({"requried": {}})


def test_a_key_both_required_and_optional_is_refused() -> None:
    with pytest.raises(DefinitionError, match="'a' is required and optional"):
        ConfigModel({"required": {"a": int}, "optional": {"a": int}})


@pytest.mark.parametrize("declared", [[], "x", {"required": [int]}, {"required": {1: int}}])
def test_a_model_of_another_shape_is_refused(declared: object) -> None:
    with pytest.raises(DefinitionError, match=r"^svc\.py"):
        ConfigModel(declared, where="svc.py: config_model")


def test_a_bad_type_in_the_model_is_named_with_its_place() -> None:
    with pytest.raises(
        DefinitionError, match=r"svc\.py: config_model\['optional'\]\['a'\]: expected"
    ):
        ConfigModel({"optional": {"a": "int"}}, where="svc.py: config_model")


# The setup hook


def test_setup_config_sees_what_could_be_converted_and_the_rest_as_it_came() -> None:
    model = ConfigModel({"required": {"good": int, "bad": int, "absent": int}})
    source = ConfigSource({"other": 1}, {"good": "5", "bad": "five"})
    assert model.convert(source) == {"good": 5, "bad": "five", "other": 1}


def test_setup_config_may_repair_what_could_not_be_converted() -> None:
    model = ConfigModel({"required": {"a": int}})
    source = ConfigSource({}, {"a": "five"})
    assert model.check(model.convert(source) | {"a": 5}, source) == {"a": 5}


def test_setup_config_may_answer_an_int_for_a_float() -> None:
    assert same(ConfigModel({"required": {"a": float}}).check({"a": 5})["a"], 5.0)


@pytest.mark.parametrize(
    ("type_", "value"),
    [(Decimal, "1.5"), (Decimal, 1), (int, "5"), (Side, "buy"), ((int,), [1]), ({int}, [1])],
)
def test_what_setup_config_answers_must_have_its_type(type_: object, value: object) -> None:
    source = ConfigSource({"key": "came"})
    with pytest.raises(ConfigError, match=r"^setup_config: 'key': expected"):
        ConfigModel({"required": {"key": type_}}).check({"key": value}, source)


def test_an_unknown_key_from_setup_config_names_the_hook() -> None:
    with pytest.raises(ConfigError, match=r"^setup_config: unknown config key 'prot'"):
        ConfigModel({"optional": {"port": int}}).check({"prot": 1}, ConfigSource())


# Flattening


@pytest.mark.parametrize(
    "config",
    [
        {"required": {"a": 1}, "optional": {"b": 2}},
        {"required": {"a": 1, "b": 2}},
        {"optional": {"a": 1, "b": 2}},
        {"a": 1, "b": 2},
    ],
)
def test_a_config_in_the_shape_of_its_model_is_flattened(config: dict[str, object]) -> None:
    assert flatten(config, where="config") == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    "config", [{"required": {"a": 1}, "b": 2}, {"required": 5}, {"optional": None}, {}]
)
def test_a_config_of_another_shape_is_left_as_it_is(config: dict[str, object]) -> None:
    assert flatten(config, where="config") == config


def test_a_given_config_is_flattened() -> None:
    model = ConfigModel({"required": {"a": int}})
    assert start(model, ConfigSource({"required": {"a": 1}})) == {"a": 1}


def test_a_key_on_both_sides_of_a_config_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"c\.json: 'a' stands in 'required' and in 'optional'"):
        flatten({"required": {"a": 1}, "optional": {"a": 2}}, where="c.json")


@pytest.mark.parametrize("config", [[1], {1: 2}, "text"])
def test_a_config_that_is_no_dict_with_text_keys_is_refused(config: Any) -> None:
    with pytest.raises(ConfigError, match=r"^config: expected"):
        flatten(config, where="config")
