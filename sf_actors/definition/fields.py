"""Reads the fields of a model's messages from the dicts that declare them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_origin, is_typeddict

from msgspec import Struct

from sf_actors.errors import ModelError
from sf_actors.schema.declaration import schema_of
from sf_actors.schema.record_classes import is_record_class, record_class_of
from sf_actors.schema.schema import Schema, require_no_null_fields
from sf_actors.schema.types import bare, canonical, describe, fields_of
from sf_actors.wording import shown

if TYPE_CHECKING:
    from sf_actors.definition.model_types import ModelType
    from sf_actors.schema.record_classes import RecordClass

_NECESSITIES = ("required", "optional")
_NUMBERING = {"current_num": int, "is_snapshot": bool}
_SINGLE = "state"


class Fields(Struct, frozen=True):
    """The fields of one model's messages.

    :param numbered_by_caller: a delta state whose caller gives `current_num` and `is_snapshot`
        with each update; these two are in neither schema
    :param single_state: a delta state whose only field is `state`: its content is the value
    """

    arguments: Schema
    return_arguments: Schema
    numbered_by_caller: bool = False
    single_state: bool = False


def keys_of(type_: ModelType) -> tuple[str, ...]:
    """Return the keys that declare fields in a model of this type."""
    parts = (_own_part(type_), "arguments", "return_arguments")
    return tuple(f"{necessity}_{part}" for part in parts for necessity in _NECESSITIES)


def read_fields(model: Mapping[str, object], type_: ModelType, *, where: str) -> Fields:
    """Return the fields that a model declares.

    :param where: file and model, for messages
    :raises ModelError: something is not a dict or a type, a field is declared twice, or has a name
        or a type that a state cannot have
    """
    own_part = _own_part(type_)
    numbered_by_caller = _is_numbered_by_caller(model, type_, where)
    declared, stands_for = _declared(model, (own_part, "arguments"), where)
    if numbered_by_caller:
        own = declared["required"][f"required_{own_part}"]
        for name in _NUMBERING:
            del own[name]
    if type_.kind == "states":
        _refuse_numbering(declared, numbered_by_caller=numbered_by_caller, where=where)
    arguments = _schema(declared, where, stands_for)
    if type_.kind == "states":
        arguments = arguments.of_dicts()
    returned, stands_for = _declared(model, ("return_arguments",), where)
    return_arguments = _schema(returned, f"{where}: return_arguments", stands_for)
    single_state = False
    if type_.is_delta:
        single_state = [*arguments.required, *arguments.optional] == [_SINGLE]
        if single_state:
            _require_mapping(arguments, where)
        require_no_null_fields(arguments)
    return Fields(arguments, return_arguments, numbered_by_caller, single_state)


def mapping_of(raw: object, *, where: str) -> Mapping[Any, object]:
    """Return a dict of a model, for None an empty one.

    :raises ModelError: it is something else
    """
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        raise ModelError(f"{where}: expected a dict, got {shown(raw)}")
    return raw


def _own_part(type_: ModelType) -> str:
    return f"{type_.kind[:-1]}_arguments"


def _fields(model: Mapping[str, object], key: str, where: str) -> dict[str, object]:
    place = f"{where}[{key!r}]"
    fields = dict(mapping_of(model.get(key), where=place))
    for name in fields:
        if not isinstance(name, str):
            raise ModelError(f"{place}: expected the names of fields, got {shown(name)}")
    return fields


def _declared(
    model: Mapping[str, object], parts: tuple[str, ...], where: str
) -> tuple[dict[str, dict[str, dict[str, object]]], RecordClass | None]:
    """Return the fields that some parts of a model declare, and the record class, if any."""
    whole_key = f"required_{parts[-1]}"
    whole = model.get(whole_key)
    keys = [(necessity, part) for necessity in _NECESSITIES for part in parts]
    declared: dict[str, dict[str, dict[str, object]]] = {name: {} for name in _NECESSITIES}
    if not isinstance(whole, type) or not (is_typeddict(whole) or is_record_class(whole)):
        for necessity, part in keys:
            key = f"{necessity}_{part}"
            declared[necessity][key] = _fields(model, key, where)
        return declared, None
    for necessity, part in keys:
        key = f"{necessity}_{part}"
        declared[necessity][key] = {}
        if key != whole_key and model.get(key):
            raise ModelError(
                f"{where}: expected no {key!r} beside {whole.__qualname__} as "
                f"{whole_key!r}, which has all fields"
            )
    type_ = canonical(whole, where=f"{where}[{whole_key!r}]")
    required, optional = fields_of(type_)
    declared["required"][whole_key] = required
    declared["optional"][f"optional_{parts[-1]}"] = optional
    return declared, record_class_of(type_)


def _schema(
    declared: Mapping[str, Mapping[str, dict[str, object]]],
    where: str,
    stands_for: RecordClass | None,
) -> Schema:
    seen: dict[str, str] = {}
    merged: dict[str, dict[str, object]] = {necessity: {} for necessity in _NECESSITIES}
    for necessity, dicts in declared.items():
        for key, fields in dicts.items():
            for name, type_ in fields.items():
                if name in seen:
                    raise ModelError(
                        f"{where}: expected the field {name!r} once, got it in {seen[name]!r} "
                        f"and {key!r}"
                    )
                seen[name] = key
                merged[necessity][name] = type_
    if stands_for is not None:
        return Schema(merged["required"], merged["optional"], where=where, stands_for=stands_for)
    return schema_of(merged["required"], merged["optional"], where=where)


def _is_numbered_by_caller(model: Mapping[str, object], type_: ModelType, where: str) -> bool:
    if not type_.is_delta:
        return False
    own = mapping_of(
        model.get("required_state_arguments"), where=f"{where}['required_state_arguments']"
    )
    found = {name: own[name] for name in _NUMBERING if name in own}
    if found and not all(found.get(name) is type_ for name, type_ in _NUMBERING.items()):
        raise ModelError(
            f"{where}['required_state_arguments']: expected 'current_num': int and "
            f"'is_snapshot': bool together, got {shown(found)}"
        )
    return bool(found)


def _refuse_numbering(
    declared: Mapping[str, Mapping[str, dict[str, object]]],
    *,
    numbered_by_caller: bool,
    where: str,
) -> None:
    for dicts in declared.values():
        for key, fields in dicts.items():
            for name in _NUMBERING:
                if name in fields:
                    reason = (
                        "the caller's numbering has it already"
                        if numbered_by_caller
                        else "the state numbers itself; a delta update is numbered by its caller "
                        "if 'required_state_arguments' has 'current_num': int and "
                        "'is_snapshot': bool"
                    )
                    raise ModelError(f"{where}[{key!r}]: no field can be called {name!r}: {reason}")


def _require_mapping(arguments: Schema, where: str) -> None:
    type_ = bare({**arguments.required, **arguments.optional}[_SINGLE])
    if get_origin(type_) is dict or is_typeddict(type_):
        return
    raise ModelError(
        f"{where}: expected a mapping as the type of the one field 'state', whose content is the "
        f"state's value, got {describe(type_)}; call the field something else if it is a part"
    )
