"""Starts and ends the inspector of this process, if something asks for one.

The command line asks for one, or `SF_ACTORS_INSPECT=1` in the environment, or `inspect()`. This
module is imported with the package, so it imports the rest only when needed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sf_actors.lifecycle.residents import RESIDENTS
from sf_actors.log import package_logger
from sf_actors.wording import shown, text_of

if TYPE_CHECKING:
    from sf_actors.lifecycle.residents import Resident

VARIABLE: Final = "SF_ACTORS_INSPECT"
_ON, _OFF = "1", "0"


class Inspection:
    """The inspector of this process, as returned by `inspect()`; any thread.

    :ivar address: where it answers; None if `SF_ACTORS_INSPECT=0` has turned it off
    :ivar remote_address: where it answers other machines; None: nowhere
    """

    def __init__(self, address: str | None, remote_address: str | None = None) -> None:
        self.address = address
        self.remote_address = remote_address

    def __repr__(self) -> str:
        return f"<Inspection {self.address}>"

    def close(self) -> None:
        """End the inspector, unless the command line or the environment asks for it too."""
        if self.address is not None:
            from sf_actors.inspection.host import HOST  # noqa: PLC0415 - see the top of the file

            HOST.leave(inspect)


class Presence:
    """Keeps an inspector during the runs of this process, if one is asked for; any thread.

    :ivar is_wanted: the command line asks for one
    """

    def __init__(self) -> None:
        self.is_wanted = False

    def begin(self, resident: Resident) -> None:
        """Start the inspector before the first run, if it is asked for.

        If it cannot start, one WARNING says so, and the service runs without it.
        """
        given = os.environ.get(VARIABLE, "")
        if given not in {"", _ON, _OFF}:
            package_logger().warning(
                f"{VARIABLE}: expected {_ON} or {_OFF}, got {shown(given)}: it is ignored"
            )
        if given == _OFF or not (self.is_wanted or given == _ON):
            return
        from sf_actors.inspection.host import HOST  # noqa: PLC0415 - see the top of the file

        try:
            HOST.want(self, resident.name)
        except Exception as error:  # noqa: BLE001 - the service must run in any case
            package_logger().warning("nobody can look at this process", reason=text_of(error))
        if HOST.remote_address is not None:
            package_logger().info("inspector bound", address=HOST.remote_address)

    def listen_too(self, name: str, address: str, keys: str | os.PathLike[str] | None) -> None:
        """Start the inspector and listen for other machines as well, unless it is turned off.

        :param name: of the first service
        :param address: `tcp://HOST:PORT`
        :param keys: the folder of CURVE keys
        :raises UserError: it cannot start, or not at this address
        """
        if os.environ.get(VARIABLE) == _OFF:
            return
        from sf_actors.inspection.host import HOST  # noqa: PLC0415 - see the top of the file

        HOST.want(self, name)
        HOST.listen_too(address, keys)

    def end(self) -> None:
        """End the inspector after the last run; that of the command line stays until exit."""
        if not self.is_wanted and "sf_actors.inspection.host" in sys.modules:
            from sf_actors.inspection.host import HOST  # noqa: PLC0415 - see the top of the file

            HOST.leave(self)


PRESENCE: Final = Presence()
RESIDENTS.on_first, RESIDENTS.on_last = PRESENCE.begin, PRESENCE.end


def inspect(
    address: str | None = None, *, keys: str | os.PathLike[str] | None = None
) -> Inspection:
    """Let the shell inspect this process, until `close` of the returned object.

    Any thread; another call returns the same inspector.

    :param address: `tcp://HOST:PORT`: also answer other machines there
    :param keys: the folder of CURVE keys for that; clients with keys in `authorized/` may ask
    :raises UserError: it cannot start, for example since its folder is not ours alone
    """
    if os.environ.get(VARIABLE) == _OFF:
        return Inspection(None)
    from sf_actors.inspection.host import HOST  # noqa: PLC0415 - see the top of the file

    first = next((resident.name for resident in RESIDENTS.all), Path(sys.argv[0]).stem or "python")
    HOST.want(inspect, first)
    if address is not None:
        try:
            HOST.listen_too(address, keys)
        except BaseException:
            HOST.leave(inspect)
            raise
    return Inspection(HOST.address, HOST.remote_address)
