"""The fields of the two states: order books, what tells whether they are right, and the witness."""

from __future__ import annotations

from decimal import Decimal

LEVELS = {Decimal: Decimal}
WITNESS = {"n": int, "h": str}

FUTURES = {
    "books": {str: {"bids": LEVELS, "asks": LEVELS}},
    "sequence": {str: int},
    "ticker": {"product": str, "bid": Decimal, "ask": Decimal},
    **WITNESS,
}
SPOT = {
    "books": {str: {"bids": LEVELS, "asks": LEVELS}},
    "checksum": {"pair": str, "crc32": int},
    **WITNESS,
}
PROGRESS = {
    "required_arguments": {},
    "required_return_arguments": {"phase": str, "n": int},
}
