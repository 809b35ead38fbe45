"""The version of the package; reading it from the installed metadata takes an import of its own."""

from typing import Final

VERSION: Final = "0.2.0"
