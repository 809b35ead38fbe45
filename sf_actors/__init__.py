"""Services as one plain Python file, run over ZeroMQ by threaded actors.

`Service` runs a service file, `get_logger` returns a logger, `counterpart` the other side's model,
and every error of the package is an `SfActorsError`. `Send`, `States`, `Stopping` and `Update` are
the types of what user functions get.
"""

from sf_actors.definition.counterpart import counterpart
from sf_actors.errors import (
    ActorDied,
    AddressError,
    BindError,
    ConfigError,
    DefinitionError,
    InvalidArguments,
    KeysError,
    MessageTooLarge,
    ModelError,
    Refused,
    RemoteError,
    RequestTimeout,
    ServiceFailed,
    ServiceRunning,
    ServiceStopped,
    SfActorsError,
    StopOverdue,
    StoreError,
    UsageError,
    UserError,
)
from sf_actors.inspection.presence import inspect
from sf_actors.log import get_logger, log_standard_library
from sf_actors.public_types import Send, States, Stopping, Update
from sf_actors.replication.status import Phase, Status
from sf_actors.service import Service

__all__ = [
    "ActorDied",
    "AddressError",
    "BindError",
    "ConfigError",
    "DefinitionError",
    "InvalidArguments",
    "KeysError",
    "MessageTooLarge",
    "ModelError",
    "Phase",
    "Refused",
    "RemoteError",
    "RequestTimeout",
    "Send",
    "Service",
    "ServiceFailed",
    "ServiceRunning",
    "ServiceStopped",
    "SfActorsError",
    "States",
    "Status",
    "StopOverdue",
    "Stopping",
    "StoreError",
    "Update",
    "UsageError",
    "UserError",
    "counterpart",
    "get_logger",
    "inspect",
    "log_standard_library",
]
