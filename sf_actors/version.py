"""The version of the package; reading it from the installed metadata would cost an import."""

from typing import Final

VERSION: Final = "0.2.0"
