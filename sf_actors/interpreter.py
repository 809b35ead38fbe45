"""The command line of a process of our own: this interpreter, with this package.

Python puts the working directory first in the `sys.path` of `-c` and `-m`, where a service file
named `queue.py` or `signal.py` would take the place of the standard library's module: `-P` keeps it
out. The folder of this package comes last instead, as it may be found by the working directory
alone.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROOT: Final = str(Path(__file__).parent.parent)
_CODE: Final = (
    "import sys\n"
    "root = sys.argv.pop()\n"
    "if root not in sys.path: sys.path.append(root)\n"
    "from {module} import {function}\n"
    "{function}()"
)


def own_command(
    module: str, function: str, arguments: Sequence[str] = (), *, flags: Sequence[str] = ()
) -> list[str]:
    """Return the command line of a process that calls a function of this package.

    :param arguments: become `sys.argv[1:]`
    :param flags: of the interpreter, besides `-P`
    """
    code = _CODE.format(module=module, function=function)
    return [sys.executable, *flags, "-P", "-c", code, *arguments, _ROOT]
