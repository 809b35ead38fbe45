"""One question to the inspector: what it may hold, and the way of its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from sf_actors.errors import InvalidArguments, RequestTimeout, SfActorsError
from sf_actors.wire.envelope import encode_failure, encode_reply
from sf_actors.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    #: leads to who asked
    Send = Callable[[bytes], None]


class Arguments(Struct, gc=False, forbid_unknown_fields=True):
    """What a question may hold besides its verb; the args of a model stay packed."""

    verb: str
    service: str | None = None
    model: str | None = None
    args: Raw = Raw(b"\x80")
    timeout_s: float | None = None
    console: str | int | UnsetType | None = UNSET
    file: str | int | UnsetType | None = UNSET


_decoder: Final = msgspec.msgpack.Decoder(Arguments)


class Question:
    """One question, and where its answer goes; for the inspector's thread.

    :param args: packed
    :param send: sends a packed answer
    :raises InvalidArguments: see `refused`
    """

    def __init__(self, args: Raw, workflow_id: object, send: Send) -> None:
        self.workflow_id = workflow_id
        self.send = send
        self._args = args

    def arguments(self) -> Arguments:
        """Return what was asked.

        :raises InvalidArguments: it is no question
        """
        try:
            return _decoder.decode(self._args)
        except msgspec.ValidationError as error:
            raise InvalidArguments(f"expected a question with a verb: {error}") from None
        except (msgspec.DecodeError, RecursionError) as error:
            raise InvalidArguments(f"expected a map: {error}") from None

    def answer(self, fields: dict[str, Any]) -> None:
        """Send an answer."""
        self.send(encode_reply(fields, self.workflow_id))

    def fail(self, error: BaseException) -> None:
        """Send an error of the inspector; what may have been handled is not marked as unhandled."""
        name = type(error).__name__ if isinstance(error, SfActorsError) else "ServiceFailed"
        text = str(error) or type(error).__name__
        unhandled = not isinstance(error, RequestTimeout)
        self.send(encode_failure(name, text, self.workflow_id, unhandled=unhandled))


def one_of(what: str, name: str, known: list[str]) -> InvalidArguments:
    """Return the error that a name is none of those known."""
    listed = ", ".join(known[:20]) or "none"
    return InvalidArguments(f"no {what} {name!r}{nearest(name, known)}; there are: {listed}")
