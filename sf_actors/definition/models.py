"""Reads and checks the connection models and state models of a service file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from sf_actors.definition.creation import Given, checked, named, takes
from sf_actors.definition.fields import Fields, keys_of, mapping_of, read_fields
from sf_actors.definition.model_types import (
    SIDES,
    Kind,
    ModelType,
    Side,
    binds,
    model_type,
    names_of_types,
)
from sf_actors.definition.names import require_plain
from sf_actors.errors import DefinitionError, ModelError
from sf_actors.schema.types import describe, is_comparable
from sf_actors.wording import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sf_actors.schema.schema import Schema

_NO_OVERRIDES: Mapping[str, Mapping[Any, object]] = {}


class Model(Struct, frozen=True, eq=False):
    """One connection or state of a service.

    :param type: the canonical name of its type, such as ``"replyer"`` or ``"delta_update_in"``
    :param creation: its creation arguments by their canonical names, with defaults; `target` is
        always a callable
    :param handler: the user's function, not yet bound, or None
    :param on_status: an in-state's user function, not yet bound, or None
    :param arguments: the fields of messages in the model's direction
    :param return_arguments: the fields of the reply
    :param numbered_by_caller: see `sf_actors.definition.fields.Fields`
    :param single_state: see `sf_actors.definition.fields.Fields`
    :param sockets: the names of its sockets, as used in the addresses
    :param binds: by socket name: True if it binds, False if it connects
    :param where: file and model, for messages: ``"svc.py: connection_models['in']['orders']"``
    """

    kind: Kind
    side: Side
    name: str
    type: str
    creation: Mapping[str, Any]
    handler: Callable[..., Any] | None
    on_status: Callable[..., Any] | None
    arguments: Schema
    return_arguments: Schema
    numbered_by_caller: bool
    single_state: bool
    sockets: tuple[str, ...]
    binds: Mapping[str, bool]
    where: str

    @property
    def key(self) -> tuple[Kind, Side, str]:
        """The model's key within its service: kind, side and name."""
        return self.kind, self.side, self.name


def build_models(
    kind: Kind,
    raw: object,
    overrides: Mapping[str, Mapping[Any, object]] = _NO_OVERRIDES,
    *,
    names: Mapping[str, object],
    where: str,
    overrides_where: str = "",
) -> tuple[Model, ...]:
    """Return the models of one kind, inbound ones first, each in the order of its dict.

    :param raw: ``{'in': {name: model}, 'out': {name: model}}``; None means ``{}`` for each dict
    :param overrides: the result of ``setup_connections`` or ``setup_states``: name -> creation
        argument -> value. If both sides have a name, each argument goes to the models of that
        name that know it.
    :param names: the names defined in the service file, for targets given as text
    :param where: the place of `raw`, for messages: ``"svc.py: connection_models"``
    :param overrides_where: the place of `overrides`: ``"svc.py: setup_connections()"``
    :raises ModelError: a model is wrong
    :raises DefinitionError: the overrides are for a name that no model has
    """
    drafts = [
        _draft(kind, side, name, model, f"{where}[{side!r}][{name!r}]")
        for side, name, model in _entries(raw, where)
    ]
    _override(drafts, overrides, overrides_where)
    return tuple(_build(draft, names) for draft in drafts)


class _Draft(Struct):
    """A model whose creation arguments are not complete yet."""

    type: ModelType
    name: str
    raw: Mapping[Any, object]
    given: dict[str, Given]
    where: str


def _entries(raw: object, where: str) -> list[tuple[Side, str, object]]:
    sides = mapping_of(raw, where=where)
    for side in sides:
        if side not in SIDES:
            raise ModelError(
                f"{where}: expected the sides 'in' and 'out', got {shown(side)}"
                f"{nearest(side, SIDES)}"
            )
    found: list[tuple[Side, str, object]] = []
    for side in SIDES:
        for name, model in mapping_of(sides.get(side), where=f"{where}[{side!r}]").items():
            if not isinstance(name, str) or not name:
                raise ModelError(f"{where}[{side!r}]: expected names of models, got {shown(name)}")
            require_plain(name, where=f"{where}[{side!r}]")
            found.append((side, name, model))
    return found


def _draft(kind: Kind, side: Side, name: str, model: object, where: str) -> _Draft:
    if model is None:
        raise ModelError(f"{where}: expected a model, got None")
    raw = mapping_of(model, where=where)
    type_key = f"{kind[:-1]}_type"
    if type_key not in raw:
        near = [key for key in raw if nearest(key, (type_key,))]
        hint = f"; is {near[0]!r} meant to be it?" if near else ""
        types = ", ".join(names_of_types(kind, side))
        raise ModelError(
            f"{where}: the key {type_key!r} is missing, which says one of {types}{hint}"
        )
    type_ = model_type(raw[type_key], kind, side, where=f"{where}[{type_key!r}]")
    creation_keys = ("required_creation_arguments", "optional_creation_arguments")
    known = (type_key, *creation_keys, *keys_of(type_))
    for key in raw:
        if key not in known:
            raise ModelError(
                f"{where}: expected {type_key!r} and dicts of arguments, got the unknown key "
                f"{shown(key)}{nearest(key, known)}"
            )
    given: dict[str, Given] = {}
    for key in creation_keys:
        place = f"{where}[{key!r}]"
        for argument, item in named(mapping_of(raw.get(key), where=place), where=place).items():
            if argument in given:
                raise ModelError(
                    f"{where}: expected the creation argument {argument!r} once, got it in "
                    "'required_creation_arguments' and 'optional_creation_arguments'"
                )
            given[argument] = item
    return _Draft(type_, name, raw, given, where)


def _override(
    drafts: Sequence[_Draft], overrides: Mapping[str, Mapping[Any, object]], where: str
) -> None:
    for name, arguments in overrides.items():
        place = f"{where}[{name!r}]"
        called = [draft for draft in drafts if draft.name == name]
        if not called:
            raise DefinitionError(
                f"{place}: expected the name of a model{_known(drafts)}, got {shown(name)}"
                f"{nearest(name, (draft.name for draft in drafts))}"
            )
        for argument, item in named(arguments, where=place).items():
            # an argument that no model knows goes to the first, whose check will refuse it
            knowing = [draft for draft in called if takes(draft.type, argument, item.value)]
            for draft in knowing or called[:1]:
                draft.given[argument] = item


def _known(drafts: Iterable[_Draft]) -> str:
    names = ", ".join(sorted({repr(draft.name) for draft in drafts}))
    return f" ({names})" if names else ", of which there are none"


def _build(draft: _Draft, names: Mapping[str, object]) -> Model:
    type_ = draft.type
    creation, handler = checked(type_, draft.given, names, where=draft.where)
    fields = read_fields(draft.raw, type_, where=draft.where)
    if type_.name == "timer":
        _require_no_fields(fields, draft.where)
    required = fields.arguments.required
    for argument in ("by", "ordered_by"):
        name = creation.get(argument)
        if name is not None and name not in required:
            raise ModelError(
                f"{draft.given[argument].where}: expected a required field, got {name!r}"
                f"{nearest(name, required)}"
            )
    ordered_by = creation.get("ordered_by")
    if ordered_by is not None and not is_comparable(required[ordered_by]):
        raise ModelError(
            f"{draft.given['ordered_by'].where}: expected a field whose values can be told to be "
            f"equal, got {ordered_by!r}, which is {describe(required[ordered_by])}"
        )
    return Model(
        kind=type_.kind,
        side=type_.side,
        name=draft.name,
        type=type_.name,
        creation=creation,
        handler=handler,
        on_status=creation.get("on_status"),
        arguments=fields.arguments,
        return_arguments=fields.return_arguments,
        numbered_by_caller=fields.numbered_by_caller,
        single_state=fields.single_state,
        sockets=type_.sockets,
        binds=binds(type_, creation),
        where=draft.where,
    )


def _require_no_fields(fields: Fields, where: str) -> None:
    schemas = fields.arguments, fields.return_arguments
    given = [name for schema in schemas for name in (*schema.required, *schema.optional)]
    if given:
        raise ModelError(
            f"{where}: expected a timer without fields of its own, since its handler gets "
            f"{{'missed': int}}, got {', '.join(map(repr, given))}"
        )
