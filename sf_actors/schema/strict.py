"""Finds unknown fields in the nested records of a message, by decoding a second time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args, get_origin, is_typeddict

import msgspec

from sf_actors.errors import ModelError
from sf_actors.schema.limits import refuse_extension
from sf_actors.schema.types import bare, fields_of, holds_record, members_of, union_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def strict_decoder(type_: Any, where: str) -> Callable[[Any], Any] | None:
    """Return a decoder that refuses unknown fields in nested records; None if there are none.

    A TypedDict ignores them, and making a dict from a Struct takes longer than decoding twice. For
    the outermost record, the number of fields is checked instead.
    """
    required, optional = fields_of(type_)
    nested = {name: part for name, part in (required | optional).items() if holds_record(part)}
    if not nested:
        return None
    try:
        outer = _struct({}, nested, forbid_unknown_fields=False)
        return msgspec.msgpack.Decoder(outer, ext_hook=refuse_extension).decode
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ModelError(f"{where}: {error}") from None


def _struct(required: Mapping[str, Any], optional: Mapping[str, Any], **options: Any) -> Any:
    fields: list[Any] = [(f"f{n}", _strict(part)) for n, part in enumerate(required.values())]
    fields += [
        (f"o{n}", _strict(part) | msgspec.UnsetType, msgspec.UNSET)
        for n, part in enumerate(optional.values())
    ]
    names = (*required, *optional)
    rename = {field[0]: name for field, name in zip(fields, names, strict=True)}
    return msgspec.defstruct("Record", fields, rename=rename, gc=False, **options)


def _strict(type_: Any) -> Any:
    """Return a type whose records are Structs that refuse unknown fields; the rest is undecoded."""
    type_ = bare(type_)
    if not holds_record(type_):
        return msgspec.Raw
    if is_typeddict(type_):
        return _struct(*fields_of(type_), forbid_unknown_fields=True)
    origin, args = get_origin(type_), get_args(type_)
    if origin is dict:
        return dict.__class_getitem__((args[0], _strict(args[1])))
    if origin in (list, tuple):
        return origin.__class_getitem__(tuple(arg if arg is ... else _strict(arg) for arg in args))
    return union_of(_strict(arg) if holds_record(arg) else arg for arg in members_of(type_))
