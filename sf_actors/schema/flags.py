"""Bounds the combinations of an `enum.Flag` that messages can make."""

from __future__ import annotations

from enum import EJECT, KEEP, Flag
from typing import Annotated, Any, Final

from msgspec import Meta

from sf_actors.errors import ModelError

COMBINATIONS: Final = 65_536
"""The combinations of a Flag that may exist beside its members: some 30 MB of memory."""

#: Marks the `_missing_` that a class has from here.
_IS_BOUNDED: Final = "sf_actors_is_bounded"


def bound_combinations(flag: Any, where: str) -> None:
    """Let a Flag have at most `COMBINATIONS` combinations besides those that its user named.

    Python keeps each combination in the class for ever, since members are compared by identity,
    and a peer may send any number of them. What is beyond is a ValueError, as an unknown value is.

    :raises ModelError: its boundary is EJECT, so that its values need not be of it
    """
    if flag._boundary_ is EJECT:
        raise ModelError(
            f"{where}: expected an Enum whose values are all members of it, got the Flag "
            f"{flag.__qualname__} with boundary=EJECT; give it boundary=STRICT"
        )
    missing = flag._missing_
    if hasattr(missing, _IS_BOUNDED):
        return
    known = flag._value2member_map_
    most = len(known) + COMBINATIONS

    def _missing_(cls: type[Flag], value: object) -> Any:
        # msgspec knows the members that were there when it made its decoder
        if isinstance(value, int) and value in known:
            return known[value]
        if len(known) >= most:
            raise ValueError(
                f"expected one of the {most} combinations of {cls.__qualname__} that were seen "
                f"before, got {value!r:.40}; more are not kept"
            )
        member = missing(value)
        # later versions of Python do not keep what has unknown bits
        return known.setdefault(value, member) if isinstance(value, int) else member

    setattr(_missing_, _IS_BOUNDED, True)
    flag._missing_ = classmethod(_missing_)


def integers_of(flag: Any) -> Any:
    """Return the canonical type of the integers that a Flag travels as."""
    if flag._boundary_ is KEEP:
        return int
    return Annotated[int, Meta(ge=0, le=flag._flag_mask_)]
