"""One question to the inspector: its arguments, and where its answer goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from sf_actors.errors import InvalidArguments, RequestTimeout, SfActorsError
from sf_actors.wire.envelope import encode_failure, encode_reply
from sf_actors.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    #: sends a packed answer to the client
    Send = Callable[[bytes], None]


class QuestionArguments(Struct, gc=False, forbid_unknown_fields=True):
    """The verb of a question and its arguments; the args for a model stay packed."""

    verb: str
    service: str | None = None
    model: str | None = None
    args: Raw = Raw(b"\x80")
    timeout_s: float | None = None
    console: str | int | UnsetType | None = UNSET
    file: str | int | UnsetType | None = UNSET


_decoder: Final = msgspec.msgpack.Decoder(QuestionArguments)


class OpenQuestion:
    """One question, and where its answer goes; in the inspector's thread.

    :param args: packed
    :param send: sends a packed answer
    """

    def __init__(self, args: Raw, workflow_id: object, send: Send) -> None:
        self.workflow_id = workflow_id
        self.send = send
        self._args = args

    def arguments(self) -> QuestionArguments:
        """Decode and return the arguments.

        :raises InvalidArguments: they are not those of a question
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
        """Send an error, marked as unhandled, except a timeout: then a handler may have run."""
        name = type(error).__name__ if isinstance(error, SfActorsError) else "ServiceFailed"
        text = str(error) or type(error).__name__
        unhandled = not isinstance(error, RequestTimeout)
        self.send(encode_failure(name, text, self.workflow_id, unhandled=unhandled))


def one_of(what: str, name: str, known: list[str]) -> InvalidArguments:
    """Return the error for an unknown name."""
    listed = ", ".join(known[:20]) or "none"
    return InvalidArguments(f"no {what} {name!r}{nearest(name, known)}; there are: {listed}")
