"""Reads classes that are declared as records: dataclasses, NamedTuples and msgspec's Structs.

On the wire their instances are maps of their fields, whatever the class: a NamedTuple too, and a
Struct with options that would write it otherwise is refused.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from copy import copy
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from sf_actors.errors import ModelError
from sf_actors.schema.mismatch import Mismatch
from sf_actors.wording import cut, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_MISSING = dataclasses.MISSING

#: Bytes of an object with its own dict, and of an empty set.
_INSTANCE_BYTES = 112
_MADE_BYTES = 224


class RecordClass(Struct, frozen=True, eq=False):
    """A class whose instances are records.

    :param names: all fields that the constructor takes
    :param factories: how many of them have a default that is made for each instance
    """

    type: type
    names: tuple[str, ...]
    factories: int = 0

    @property
    def extra_bytes(self) -> int:
        """About how many bytes an instance takes besides the fields that it was given."""
        return _INSTANCE_BYTES + _MADE_BYTES * self.factories

    def fields(self, instance: Any) -> dict[str, Any]:
        """Return the fields of an instance; HOT.

        :raises Mismatch: one of them was deleted
        """
        try:
            return {name: getattr(instance, name) for name in self.names}
        except AttributeError as error:
            raise Mismatch(
                f"expected {self.type.__qualname__} with all its fields, got {cut(str(error), 200)}"
            ) from None

    def make(self, fields: dict[str, Any]) -> Any:
        """Return an instance; HOT.

        :raises ConstructorRaised: the constructor raised
        """
        try:
            return self.type(**fields)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise ConstructorRaised(self.type, error) from error

    def copied(self, instance: Any, fields: dict[str, Any]) -> Any:
        """Return a copy of an instance that has these fields, made without the constructor."""
        if issubclass(self.type, tuple):
            return instance._replace(**fields)
        other = copy(instance)
        is_struct = issubclass(self.type, msgspec.Struct)
        set_field = msgspec.structs.force_setattr if is_struct else object.__setattr__
        for name, value in fields.items():
            set_field(other, name, value)
        return other


class ConstructorRaised(Mismatch):
    """The constructor of a record's class raised; its text is user code's."""

    def __init__(self, kind: type, error: BaseException) -> None:
        text = cut(text_of(error), 200)
        super().__init__(f"{kind.__qualname__} raised {type(error).__name__}: {text}")


def is_record_class(declared: type) -> bool:
    """Return True if a class is a dataclass, a NamedTuple or a Struct."""
    return (
        dataclasses.is_dataclass(declared)
        or issubclass(declared, msgspec.Struct)
        or _is_named_tuple(declared)
    )


def record_class_of(type_: Any) -> RecordClass | None:
    """Return the class that a canonical record stands for, or None."""
    found: RecordClass | None = getattr(type_, "__record_class__", None)
    return found


def declared_fields(
    declared: type, *, where: str
) -> tuple[RecordClass, dict[str, Any], dict[str, Any]]:
    """Return a class with its fields and their hints: the required ones, and those with defaults.

    :raises ModelError: its hints cannot be read, or it is not written as a map of its fields
    """
    if issubclass(declared, msgspec.Struct):
        has_default = _of_struct(declared, where)
    elif dataclasses.is_dataclass(declared):
        has_default = _of_dataclass(declared)
    else:
        defaults: dict[str, Any] = getattr(declared, "_field_defaults", {})
        names: tuple[str, ...] = getattr(declared, "_fields", ())
        has_default = {name: name in defaults for name in names}
    try:
        hints = typing.get_type_hints(declared, include_extras=True)
    except (NameError, TypeError, AttributeError, SyntaxError) as error:
        raise ModelError(
            f"{where}: {declared.__qualname__} cannot be read: {cut(str(error), 200)}"
        ) from None
    for name in has_default:
        if name not in hints:
            raise ModelError(
                f"{where}: expected a type for each field of {declared.__qualname__}, got none for "
                f"{name!r}"
            )
    required = {name: hints[name] for name, may_lack in has_default.items() if not may_lack}
    optional = {name: hints[name] for name, may_lack in has_default.items() if may_lack}
    _require_constructor(declared, required, has_default, where)
    return RecordClass(declared, tuple(has_default), _factories(declared)), required, optional


def _factories(declared: Any) -> int:
    """Return how many defaults are made for each instance."""
    if issubclass(declared, msgspec.Struct):
        fields = msgspec.structs.fields(declared)
        return sum(field.default_factory is not msgspec.NODEFAULT for field in fields)
    if dataclasses.is_dataclass(declared):
        fields_ = dataclasses.fields(declared)
        return sum(field.default_factory is not _MISSING for field in fields_)
    return 0


def _is_named_tuple(declared: type) -> bool:
    return issubclass(declared, tuple) and hasattr(declared, "_fields")


def _of_struct(declared: type[msgspec.Struct], where: str) -> dict[str, bool]:
    config = declared.__struct_config__
    fields = msgspec.structs.fields(declared)
    option = None
    if config.tag is not None:
        option = "tag"
    elif config.array_like:
        option = "array_like"
    elif any(field.encode_name != field.name for field in fields):
        option = "rename"
    if option is not None:
        raise ModelError(
            f"{where}: expected a Struct that is written as a map of its fields, got "
            f"{declared.__qualname__} with the option {option!r}"
        )
    return {field.name: not field.required for field in fields}


def _of_dataclass(declared: Any) -> dict[str, bool]:
    return {
        field.name: field.default is not _MISSING or field.default_factory is not _MISSING
        for field in dataclasses.fields(declared)
        if field.init
    }


def _require_constructor(
    declared: type, required: Iterable[str], every: Iterable[str], where: str
) -> None:
    """Refuse a class whose constructor does not take its fields by name."""
    try:
        signature = inspect.signature(declared)
    except ValueError:
        return
    for names in (required, every):
        try:
            signature.bind(**dict.fromkeys(names))
        except TypeError as error:
            raise ModelError(
                f"{where}: expected a class whose constructor takes its fields, got "
                f"{declared.__qualname__}{signature}: {error}"
            ) from None
