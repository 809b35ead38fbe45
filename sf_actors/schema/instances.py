"""Builds instances of record classes from received fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args, get_origin, is_typeddict

from sf_actors.schema.mismatch import Mismatch
from sf_actors.schema.record_classes import record_class_of
from sf_actors.schema.types import bare, fields_of, members_of
from sf_actors.wording import named

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Build = Callable[[Any], Any]


def builder_of(type_: Any) -> Build | None:
    """Return a function that makes instances of the records in a decoded value, or None.

    It changes dicts and lists in place, and raises `Mismatch` if a constructor raises. None if the
    type has no such records.
    """
    type_ = bare(type_)
    if is_typeddict(type_):
        return _of_record(type_)
    members = members_of(type_)
    if len(members) > 1:
        return _of_union(members)
    origin, args = get_origin(type_), get_args(type_)
    if origin is dict:
        return _in_items(builder_of(args[1]))
    if origin is list:
        return _in_items(builder_of(args[0]))
    if origin is tuple:
        return _in_tuple(args)
    return None


def fields_builder(fields: Mapping[str, Any]) -> Build | None:
    """Return a function that makes the instances within a dict of these fields, or None."""
    found = {name: builder_of(type_) for name, type_ in fields.items()}
    builds = {name: build for name, build in found.items() if build is not None}
    if not builds:
        return None

    def build_fields(record: Any) -> Any:
        for name, build in builds.items():
            if name in record:
                try:
                    record[name] = build(record[name])
                except Mismatch as error:
                    error.under(f".{name}")
                    raise
        return record

    return build_fields


def _of_record(type_: Any) -> Build | None:
    required, optional = fields_of(type_)
    build_fields = fields_builder(required | optional)
    record_class = record_class_of(type_)
    if record_class is None:
        return build_fields
    make = record_class.make
    return make if build_fields is None else lambda fields: make(build_fields(fields))


def _of_union(members: tuple[Any, ...]) -> Build | None:
    """Return the builder of a union; it has at most one dict and one list among its members."""
    builds = {_class_of(bare(member)): builder_of(member) for member in members}
    if not any(builds.values()):
        return None

    def build(value: Any) -> Any:
        found = builds.get(type(value))
        return value if found is None else found(value)

    return build


def _class_of(member: Any) -> Any:
    return dict if is_typeddict(member) else get_origin(member) or member


def _in_items(build: Build | None) -> Build | None:
    if build is None:
        return None

    def build_items(container: Any) -> Any:
        places = enumerate(container) if type(container) is list else list(container.items())
        for place, item in places:
            try:
                container[place] = build(item)
            except Mismatch as error:
                error.under(f"[{place}]" if type(container) is list else f".{named(place)}")
                raise
        return container

    return build_items


def _in_tuple(types: tuple[Any, ...]) -> Build | None:
    if len(types) == 2 and types[1] is ...:
        in_list = _in_items(builder_of(types[0]))
        return None if in_list is None else lambda items: tuple(in_list(list(items)))
    build = fields_builder({str(place): type_ for place, type_ in enumerate(types)})
    if build is None:
        return None
    return lambda items: tuple(
        build({str(place): item for place, item in enumerate(items)}).values()
    )
