"""Every error of the package, as one tree.

::

    SfActorsError
    ├── UserError                 told in one line, without a traceback
    │   ├── UsageError            a flag, a path or an argument of Service
    │   ├── DefinitionError       the service file, its hooks and their signatures
    │   │   └── ModelError        a connection model or a state model
    │   ├── ConfigError           the config, against its model
    │   ├── AddressError          the addresses, against the models
    │   ├── BindError             a socket that could not be opened where it should
    │   └── KeysError             the folder of CURVE keys
    ├── InvalidArguments          to_send: the arguments or the reply fail their model
    │   └── MessageTooLarge       … or are larger than max_message_bytes
    ├── RequestTimeout            no reply within the deadline
    ├── RemoteError               the other side answered with an error
    ├── ServiceStopped            the service stops, or has stopped
    ├── ServiceRunning            a second run of a Service that runs
    ├── ServiceFailed             the service ended by a fault of its own
    │   ├── ActorDied             an actor died more often than it may be restarted
    │   └── StopOverdue           user code did not end within the deadline of the stop
    └── MessageError              an inbound message that cannot be taken; never leaves the package
        ├── Undecodable           it is not MessagePack, or not our envelope
        ├── InvalidMessage        its fields fail the model
        └── OversizedMessage      it is larger than max_message_bytes
"""

from __future__ import annotations

from typing import ClassVar


class SfActorsError(Exception):
    """The root of the tree: catches everything that the package raises on purpose."""


class UserError(SfActorsError):
    """Something the user wrote or typed cannot be used; the message says all there is to say."""


class UsageError(UserError):
    """A flag, a path or an argument of `Service` is wrong."""


class DefinitionError(UserError):
    """The service file, one of its hooks or a signature is wrong."""


class ModelError(DefinitionError):
    """A connection model or a state model is wrong."""


class ConfigError(UserError):
    """The config does not fit its model."""


class AddressError(UserError):
    """An address is missing or cannot be one."""


class BindError(UserError):
    """A socket cannot be opened at its address."""


class KeysError(UserError):
    """The folder of CURVE keys lacks something or cannot be read."""


class InvalidArguments(SfActorsError):
    """Arguments or a reply fail their model, or a name is none of the service's.

    If it is the arguments or the name, nothing was sent.
    """


class MessageTooLarge(InvalidArguments):
    """A message is larger than the model's `max_message_bytes`; nothing was sent."""


class RequestTimeout(SfActorsError):
    """No reply came within the deadline."""


class RemoteError(SfActorsError):
    """The other side answered with an error.

    `type` is the name of the error over there, `message` its text; '' where the other side keeps
    that to itself (`error_details`).
    """

    def __init__(self, type_: str, message: str, *, connection: str) -> None:
        text = message or "its text stays in the log over there (error_details)"
        super().__init__(f"{connection}: the other side answered {type_}: {text}")
        self.type = type_
        self.message = message


class ServiceStopped(SfActorsError):
    """The service stops or has stopped; leaving `main` by it is a clean end."""


class ServiceRunning(SfActorsError):
    """`run_…` was called while the service runs."""


class ServiceFailed(SfActorsError):
    """The service ended by a fault of its own."""


class ActorDied(ServiceFailed):
    """An actor died more often than it may be restarted."""


class StopOverdue(ServiceFailed):
    """User code did not end within the deadline of the stop."""


class MessageError(SfActorsError):
    """An inbound message cannot be taken; `reason` is the counter it belongs to."""

    reason: ClassVar[str] = "undecodable"


class Undecodable(MessageError):
    """The bytes are not MessagePack or not the envelope."""


class InvalidMessage(MessageError):
    """The fields of the message fail the model."""

    reason: ClassVar[str] = "invalid"


class OversizedMessage(MessageError):
    """The message is larger than the model's `max_message_bytes`."""

    reason: ClassVar[str] = "too_large"
