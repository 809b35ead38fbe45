"""The fields of one message: checked before sending, decoded on arrival."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from itertools import chain
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, is_typeddict

import msgspec

from sf_actors.errors import InvalidArguments, InvalidMessage, ModelError
from sf_actors.schema.check import fields_checker
from sf_actors.schema.collisions import FREE_BYTES, guard_of
from sf_actors.schema.explain import reason_for
from sf_actors.schema.generated_check import compiled, copied_fields
from sf_actors.schema.instances import fields_builder
from sf_actors.schema.limits import depth_of, is_open, prices_of, refuse_extension
from sf_actors.schema.mismatch import Mismatch
from sf_actors.schema.record_classes import record_class_of
from sf_actors.schema.scalars import NOTHING, scalar_of
from sf_actors.schema.shape import Record, record_of
from sf_actors.schema.strict import strict_decoder
from sf_actors.schema.types import (
    bare,
    canonical,
    describe,
    fields_of,
    members_of,
    record,
    union_of,
)
from sf_actors.schema.unknown import nested_names, unknown_names
from sf_actors.wire.envelope import encode
from sf_actors.wire.limits import MAX_DEPTH, is_deep, may_be_deep
from sf_actors.wire.memory import at_most_of, require_affordable
from sf_actors.wire.msgpack import FIXMAP, SHORT, count_of
from sf_actors.wording import cut, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sf_actors.schema.record_classes import RecordClass
    from sf_actors.schema.unknown import UnknownFields


class Schema:
    """The fields of one message.

    :param required: name -> type as declared in the model, for required fields
    :param optional: the same for optional fields
    :param where: file, model and kind of fields; every error message begins with it
    :param stands_for: the class whose instances are such messages
    :raises ModelError: a type or a name cannot be used

    `required` and `optional` hold the canonical types, `shape` how the fields merge. Instances are
    immutable; any thread.
    """

    required: dict[str, Any]
    optional: dict[str, Any]
    shape: Record
    #: every field is a scalar that arrives as it was sent, or a mapping of such scalars
    is_flat: bool
    #: messages need no check beyond decoding their types and counting the fields
    is_plain: bool
    #: builds what a receiver gets from decoded fields, unless that is the dict of them
    build: Callable[[Any], Any] | None
    #: its fields cannot hold keys that were chosen to collide
    is_harmless: bool
    #: Returns the fields to send from a dict or a state's read-only mapping; None means no fields.
    #: Raises InvalidArguments if one is missing, unknown or of another type; HOT, runs in the
    #: caller's thread. Containers that need no change are passed through, so encode or freeze them
    #: before anyone can change them; if `is_flat`, only tables of more than `COPIED` items are.
    checked: Callable[[object], dict[str, Any]]

    def __init__(
        self,
        required: Mapping[str, object],
        optional: Mapping[str, object],
        *,
        where: str,
        stands_for: RecordClass | None = None,
    ) -> None:
        self.where = where
        self._stands_for = stands_for
        self.required = _canonical_fields(required, where)
        self.optional = _canonical_fields(optional, where)
        for name in self.required:
            if name in self.optional:
                raise ModelError(
                    f"{where}: expected field {name!r} to be either required or optional, got both"
                )
        self.shape = record_of(self.required, self.optional)
        self.is_flat = all(map(_is_flat, (*self.required.values(), *self.optional.values())))
        self._type = record(self.required, self.optional)
        in_full = _in_full(
            fields_checker(self.required, self.optional, stands_for),
            where,
            is_copied=self.is_flat,
            stands_for=stands_for,
        )
        self.checked = compiled(self.required, self.optional, in_full, stands_for)
        self._decode = msgspec.msgpack.Decoder(self._type, ext_hook=refuse_extension).decode
        self._decode_strictly = strict_decoder(self._type, where)
        self._limit = depth_of(self._type) + MAX_DEPTH if is_open(self._type) else 0
        self._prices = prices_of(self._type)
        self._guard = guard_of(self._type)
        self.is_harmless = self._guard is None
        self._unknown: UnknownFields | None = None
        self._build_fields = fields_builder(self.required | self.optional)
        self.build = self._build_fields
        if stands_for is not None:
            make, build = stands_for.make, self._build_fields
            self.build = make if build is None else lambda fields: make(build(fields))
        self.is_plain = self._decode_strictly is None and not self._limit

    def decoded(self, raw: bytes | memoryview | msgspec.Raw) -> Any:
        """Return the fields of a message, of exactly the declared types, as new objects; HOT.

        They are a dict, or an instance of the class that the message stands for.

        :raises InvalidMessage: it is not MessagePack, or fails the model
        """
        nested: msgspec.ValidationError | None = None
        try:
            if len(raw) > FREE_BYTES:
                self._require_harmless(raw)
            fields: dict[str, Any] = self._decode(raw)
            if self._decode_strictly is not None:
                try:
                    self._decode_strictly(raw)
                except msgspec.ValidationError as error:
                    nested = error
        except Exception as error:  # noqa: BLE001 - a peer's bytes may provoke any error
            raise self._invalid(raw, error) from None
        count = len(fields)
        is_exact = (count <= SHORT and memoryview(raw)[0] - FIXMAP == count) or (
            count == count_of(raw)
        )
        if self._limit and may_be_deep(raw) and is_deep(fields, self._limit):
            raise InvalidMessage(
                f"{self.where}: expected at most {MAX_DEPTH} nested lists and dicts in an "
                "undeclared place, got more"
            )
        if not is_exact or nested is not None:
            self._note_unknown(raw, None if is_exact else count, nested)
        build = self.build
        return fields if build is None else self._built(build, fields)

    def _built(self, build: Callable[[Any], Any], fields: dict[str, Any]) -> Any:
        try:
            return build(fields)
        except Mismatch as error:
            invalid = InvalidMessage(error.message(self.where))
            invalid.is_of_user_code = True
            raise invalid from error.__cause__

    def with_instances(self, fields: dict[str, Any], *, is_whole: bool = True) -> Any:
        """Return checked fields as their receiver gets them, with instances of record classes.

        :param is_whole: False keeps the message itself a dict
        :raises InvalidArguments: a constructor raised
        """
        build = self.build if is_whole else self._build_fields
        if build is None:
            return fields
        try:
            return build(self._decode(encode(fields)))
        except Mismatch as error:
            raise InvalidArguments(error.message(self.where)) from error.__cause__

    def field_of(self, name: str) -> Callable[[Any], Any]:
        """Return a getter of a required field from a message as its receiver gets it."""
        return itemgetter(name) if self._stands_for is None else attrgetter(name)

    def of_dicts(self) -> Schema:
        """Return the schema of a state, which decodes to dicts in place of instances."""
        other = copy(self)
        other.build = other._build_fields = None  # noqa: SLF001 - of this class
        return other

    def _note_unknown(
        self,
        raw: bytes | memoryview | msgspec.Raw,
        found: int | None,
        nested: msgspec.ValidationError | None,
    ) -> None:
        """Note the unknown fields that the decoder skipped, or refuse them.

        :param found: the number of known fields; None if all are known
        :param nested: the error of a nested record, if any
        """
        unknown = self._unknown
        if unknown is None:
            error = nested or ValueError("a field that is unknown or there twice")
            raise self._invalid(raw, error)
        names: Iterable[str] = ()
        try:
            if found is not None:
                names = unknown_names(raw, self._type.__annotations__, found=found)
        except ValueError as error:
            raise InvalidMessage(Mismatch(str(error)).message(self.where)) from None
        if nested is not None and unknown.wants_names:
            names = chain(names, nested_names(raw, self._type))
        unknown.note(names)

    def tolerant(self, unknown: UnknownFields) -> Schema:
        """Return the schema of incoming messages whose unknown fields are dropped and noted."""
        other = copy(self)
        other._unknown = unknown  # noqa: SLF001 - of this class
        return other

    @property
    def has_many_values(self) -> bool:
        """Whether the fields may hold many values, which take far more memory than their bytes."""
        return self._prices is not None

    def memory_at_most(self, raw: bytes | memoryview | msgspec.Raw) -> int:
        """Return an upper bound of the memory that fields take when they are decoded, in bytes."""
        return at_most_of(raw, self._prices) if self._prices is not None else 0

    def _require_harmless(self, raw: bytes | memoryview | msgspec.Raw) -> None:
        if self._prices is not None:
            require_affordable(raw, self._prices)
        if self._guard is not None:
            self._guard(raw)

    def patch(self) -> Schema:
        """Return the schema of RFC 7396 merge patches to these fields.

        All fields are optional. None deletes an optional field or an entry of a table. Records are
        partial at every depth outside lists, tuples and sets. `shape` is that of the whole value.
        """
        required = {name: _patched(type_) for name, type_ in self.required.items()}
        optional = {name: _deletable(type_) for name, type_ in self.optional.items()}
        return self.with_fields(required | optional, self._stands_for)

    def partial(self) -> Schema:
        """Return the schema with all fields optional, for a state that deltas still build up."""
        return self.with_fields(self.required | self.optional)

    def with_fields(
        self, optional: Mapping[str, Any], stands_for: RecordClass | None = None
    ) -> Schema:
        """Return the schema of a part or a patch of a state, with these fields, all optional.

        `shape` is that of the whole value.
        """
        other = Schema({}, optional, where=self.where, stands_for=stands_for).of_dicts()
        other.shape = self.shape
        other._unknown = self._unknown  # noqa: SLF001 - of this class
        return other

    def _invalid(self, raw: bytes | memoryview | msgspec.Raw, error: Exception) -> InvalidMessage:
        return InvalidMessage(
            reason_for(raw, self._type, error, is_tolerant=self._unknown is not None).message(
                self.where
            )
        )


def _in_full(
    check: Callable[[Any], Any], where: str, *, is_copied: bool, stands_for: RecordClass | None
) -> Callable[[object], Any]:
    """Return a check whose errors explain why a value is refused."""

    def checked(args: object) -> Any:
        try:
            fields = {} if args is None else args
            if stands_for is not None and type(fields) is stands_for.type:
                fields = stands_for.fields(fields)
            return check(copied_fields(fields) if is_copied else fields)
        except Mismatch as error:
            raise InvalidArguments(error.message(where)) from None
        except RuntimeError as error:
            raise InvalidArguments(
                f"{where}: expected arguments that stay as they are while they are checked, "
                f"got {cut(str(error), 200)}"
            ) from error

    return checked


def _is_flat(type_: Any) -> bool:
    """Return True for scalars that arrive as they were sent, and for mappings of such."""
    for member in members_of(type_):
        inside = get_args(member) if get_origin(member) is dict else (member,)
        scalars = [scalar_of(part) for one in inside for part in members_of(one)]
        if not all(scalar is not None and scalar.is_flat for scalar in scalars):
            return False
    return True


def require_no_null_fields(schema: Schema) -> None:
    """Refuse `T | None` as the type of a delta's field, since None deletes it.

    None is allowed inside lists, tuples and sets, which are replaced whole.

    :raises ModelError: it names the field
    """
    for name, type_ in (schema.required | schema.optional).items():
        _require_no_null(type_, f"{schema.where}: field {name!r}")


def _require_no_null(type_: Any, where: str) -> None:
    members = tuple(map(bare, members_of(bare(type_))))
    nullable = NOTHING in members or any(
        get_origin(member) is Literal and None in get_args(member) for member in members
    )
    if nullable:
        raise ModelError(
            f"{where}: expected a type without None, since None deletes in a delta, "
            f"got {describe(type_)}; make the field optional instead"
        )
    for member in members:
        if is_typeddict(member):
            required, optional = fields_of(member)
            for name, part in (required | optional).items():
                _require_no_null(part, f"{where}.{name}")
        elif get_origin(member) is dict:
            _require_no_null(get_args(member)[1], where)


def _canonical_fields(fields: Mapping[str, object], where: str) -> dict[str, Any]:
    if not isinstance(fields, Mapping):
        raise ModelError(f"{where}: expected {{'field': type, …}}, got {shown(fields)}")
    for name in fields:
        if type(name) is not str or not name.isprintable():
            raise ModelError(
                f"{where}: expected a printable text as a field's name, got {shown(name)}"
            )
    return {
        name: canonical(declared, where=f"{where}: field {name!r}")
        for name, declared in fields.items()
    }


def unbounded(type_: Any) -> Any:
    """Return a canonical type without the bounds of mappings that are merged.

    A piece of such a mapping need not be within them.
    """
    inside = bare(type_)
    if is_typeddict(inside):
        required, optional = fields_of(inside)
        must, may = _all_unbounded(required), _all_unbounded(optional)
        return record(must, may, record_class_of(inside))
    if get_origin(inside) is dict:
        key, value = get_args(inside)
        return dict.__class_getitem__((key, unbounded(value)))
    members = members_of(type_)
    return union_of(map(unbounded, members)) if len(members) > 1 else type_


def _all_unbounded(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: unbounded(type_) for name, type_ in fields.items()}


def _is_merged(type_: Any) -> bool:
    return is_typeddict(type_) or get_origin(type_) is dict


def _deletable(type_: Any) -> Any:
    return union_of((*members_of(_patched(type_)), NOTHING))


def _patched(type_: Any) -> Any:
    """Return the type of merge patches to values of a type; bounds do not apply to parts."""
    inside = bare(type_)
    if inside is not type_ and _is_merged(inside):
        return _patched(inside)
    if is_typeddict(type_):
        required, optional = fields_of(type_)
        parts = {name: _patched(part) for name, part in required.items()}
        parts |= {name: _deletable(part) for name, part in optional.items()}
        return record({}, parts, record_class_of(type_))
    if get_origin(type_) is dict:
        key, value = get_args(type_)
        return dict.__class_getitem__((key, _deletable(value)))
    members = members_of(type_)
    return union_of(map(_patched, members)) if len(members) > 1 else type_
