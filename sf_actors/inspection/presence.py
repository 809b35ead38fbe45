"""From when to when this process has an inspector, and who asks for it.

The command line does, `SF_ACTORS_INSPECT=1` in the environment, or `sf_actors.inspect()`. Imported
with the package, so it imports nothing that is not needed unless somebody asks.
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
    """The inspector of this process, as `inspect()` gives it; any thread.

    :ivar address: where it answers; None if `SF_ACTORS_INSPECT=0` has turned it off
    :ivar remote_address: where else, for other machines; None: nowhere
    """

    def __init__(self, address: str | None, remote_address: str | None = None) -> None:
        self.address = address
        self.remote_address = remote_address

    def __repr__(self) -> str:
        return f"<Inspection {self.address}>"

    def close(self) -> None:
        """End it, unless the command line or the environment asks for it too."""
        if self.address is not None:
            from sf_actors.inspection.host import HOST  # noqa: PLC0415 - see the top of the file

            HOST.leave(inspect)


class Presence:
    """Who asks for an inspector before a run of the process begins; any thread.

    :ivar is_wanted: the process is the command line's
    """

    def __init__(self) -> None:
        self.is_wanted = False

    def begin(self, resident: Resident) -> None:
        """Have the inspector there before the first run, if somebody asks for it.

        Where it cannot be, one WARNING says so, and the service runs.
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
        except Exception as error:  # noqa: BLE001 - whatever it is, the service is worth more
            package_logger().warning("nobody can look at this process", reason=text_of(error))
        if HOST.remote_address is not None:
            package_logger().info("inspector bound", address=HOST.remote_address)

    def listen_too(self, name: str, address: str, keys: str | os.PathLike[str] | None) -> None:
        """Have the inspector there, and listen for other machines as well, unless it is turned off.

        :param name: of the first service
        :param address: `tcp://HOST:PORT`
        :param keys: the folder of CURVE keys
        :raises UserError: it cannot be here, or not at this address
        """
        if os.environ.get(VARIABLE) == _OFF:
            return
        from sf_actors.inspection.host import HOST  # noqa: PLC0415 - see the top of the file

        HOST.want(self, name)
        HOST.listen_too(address, keys)

    def end(self) -> None:
        """Let it be gone after the last run; that of the command line stays to the end."""
        if not self.is_wanted and "sf_actors.inspection.host" in sys.modules:
            from sf_actors.inspection.host import HOST  # noqa: PLC0415 - see the top of the file

            HOST.leave(self)


PRESENCE: Final = Presence()
RESIDENTS.on_first, RESIDENTS.on_last = PRESENCE.begin, PRESENCE.end


def inspect(
    address: str | None = None, *, keys: str | os.PathLike[str] | None = None
) -> Inspection:
    """Let this process be looked at from the shell, until `close` of what it returns.

    Any thread; called again, it gives the same inspector.

    :param address: `tcp://HOST:PORT`: where it answers besides, for other machines
    :param keys: the folder of CURVE keys for that; who is in its `authorized/` may ask
    :raises UserError: it cannot be here: its folder is not ours alone, say
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
