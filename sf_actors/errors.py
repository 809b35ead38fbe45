"""Every error of the package, as one tree.

::

    SfActorsError
    ├── UserError                 shown in one line, without a traceback
    │   ├── UsageError            a flag, a path or an argument of Service
    │   ├── DefinitionError       the service file, its hooks and their signatures
    │   │   └── ModelError        a connection model or a state model
    │   ├── ConfigError           the config, against its model
    │   ├── AddressError          the addresses, against the models
    │   ├── BindError             a socket that could not be opened at its address
    │   ├── KeysError             the folder of CURVE keys
    │   ├── StoreError            the file that keeps a state's value (`store`)
    │   ├── FolderError           the folder of the inspectors' sockets
    │   ├── FleetError            the file of a fleet
    │   └── TargetError           the target of a shell verb is not there
    ├── InvalidArguments          to_send: the arguments or the reply fail their model
    │   └── MessageTooLarge       … or are larger than max_message_bytes
    ├── RequestTimeout            no reply within the deadline
    ├── RemoteError               the other side answered with an error
    ├── Refused                   raised by a handler: the caller gets its text
    ├── ServiceStopped            the service stops, or has stopped
    ├── ServiceRunning            `run_…` was called while the Service runs
    ├── ServiceFailed             the service ended by a fault of its own
    │   ├── ActorDied             an actor died more often than it may be restarted
    │   └── StopOverdue           user code did not end within the deadline of the stop
    └── MessageError              an inbound message is refused; never leaves the package
        ├── Undecodable           it is not MessagePack, or not our envelope
        ├── InvalidMessage        its fields fail the model
        └── OversizedMessage      it is larger than max_message_bytes
"""

from __future__ import annotations

from typing import Any, ClassVar


class SfActorsError(Exception):
    """The base of all errors that the package raises on purpose.

    `workflow_id` is that of the `to_send` that raised the error, else None.
    """

    workflow_id: object = None


class UserError(SfActorsError):
    """The user's file, config or arguments are wrong; the message alone explains it."""


class UsageError(UserError):
    """A flag, a path or an argument of `Service` is wrong."""


class DefinitionError(UserError):
    """The service file, one of its hooks or a signature is wrong."""


class ModelError(DefinitionError):
    """A connection model or a state model is wrong."""


class ConfigError(UserError):
    """The config does not fit its model."""


class AddressError(UserError):
    """An address is missing or invalid."""


class BindError(UserError):
    """A socket cannot be opened at its address."""


class KeysError(UserError):
    """The folder of CURVE keys lacks a key, or a file is unreadable or unsafe."""


class StoreError(UserError):
    """A state's store is damaged, in use or not a store, or its value does not fit the model."""


class FolderError(UserError):
    """The folder of the inspectors' sockets cannot be used, or other users may enter it."""


class FleetError(UserError):
    """The file of a fleet cannot be read, or does not describe a valid fleet."""


class TargetError(UserError):
    """The target of a shell verb is not running, lacks the model, or refuses the connection.

    `is_there`: True if a model of this name runs, but the verb cannot use it.
    """

    is_there = False


class InvalidArguments(SfActorsError):
    """Arguments or a reply fail their model, or the service has no model of this name.

    If the arguments or the name are wrong, nothing was sent.
    """


class MessageTooLarge(InvalidArguments):
    """A message is larger than the model's `max_message_bytes`; nothing was sent."""


class RequestTimeout(SfActorsError):
    """No reply came within the deadline."""


class RemoteError(SfActorsError):
    """The other side answered with an error.

    `type` is the name of the error on the other side, `message` its text, or '' if it has none or
    the other side does not send it (`error_details`).
    """

    def __init__(self, type_: str, message: str, *, connection: str) -> None:
        text = message
        if not message and type_ != Refused.__name__:
            text = "its text, if it has one, stays in the log over there (error_details)"
        super().__init__(f"{connection}: the other side answered {type_}{text and ': '}{text}")
        self.type = type_
        self.message = message

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how it is copied: by its text, which is all that `args` has of the constructor's.

        Without this, a pool of processes in which it is raised breaks, or waits for ever.
        """
        return type(self).__new__, (type(self), *self.args), vars(self)


class Refused(SfActorsError):
    """Raised by a handler to refuse a request: the caller gets the text, and it is no failure."""


class ServiceStopped(SfActorsError):
    """The service stops or has stopped; if this error ends `main`, that is a clean end."""


class ServiceRunning(SfActorsError):
    """`run_…` was called while the service runs."""


class ServiceFailed(SfActorsError):
    """The service ended by a fault of its own."""


class ActorDied(ServiceFailed):
    """An actor died more often than it may be restarted."""


class StopOverdue(ServiceFailed):
    """User code did not end within the deadline of the stop."""


class MessageError(SfActorsError):
    """An inbound message is refused; `reason` is its key in the counter `dropped`."""

    reason: ClassVar[str] = "undecodable"


class Undecodable(MessageError):
    """The bytes are not MessagePack or not the envelope."""


class InvalidMessage(MessageError):
    """The fields of the message fail the model.

    `is_of_user_code`: True if the constructor of a user's class raised it; the text is from there.
    """

    is_of_user_code = False
    reason: ClassVar[str] = "invalid"


class OversizedMessage(MessageError):
    """The message is larger than the model's `max_message_bytes`."""

    reason: ClassVar[str] = "too_large"
