"""Service files as texts, for tests that read them from a folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

#: Answers orders and publishes trades and a book.
EXCHANGE = """
from decimal import Decimal
def on_order(args): return {'id': 1}
connection_models = {
    'in': {'orders': {'connection_type': 'replyer',
        'required_creation_arguments': {'on_order': on_order},
        'required_arguments': {'price': Decimal, 'size': int},
        'optional_arguments': {'note': str},
        'required_return_arguments': {'id': int}}},
    'out': {'trades': {'connection_type': 'publisher',
        'optional_creation_arguments': {'topic': 'eurusd'},
        'required_arguments': {'price': Decimal}}}}
state_models = {'out': {'book': {'state_type': 'delta_update',
    'required_arguments': {'bids': {Decimal: Decimal}}}}}
"""
#: Sends orders and follows the book.
TRADER = """
from decimal import Decimal
def main(to_send): pass
connection_models = {'out': {'orders': {'connection_type': 'requester',
    'required_arguments': {'price': Decimal, 'size': int},
    'required_return_arguments': {'id': int}}}}
state_models = {'in': {'book': {'state_type': 'delta_update',
    'required_arguments': {'bids': {Decimal: Decimal}}}}}
"""
#: Takes trades.
KEEPER = """
from decimal import Decimal
def on_trade(args): pass
connection_models = {'in': {'trades': {'connection_type': 'subscriber',
    'required_creation_arguments': {'on_trade': on_trade},
    'optional_creation_arguments': {'topic': 'eurusd'},
    'required_arguments': {'price': Decimal}}}}
"""
ADDRESSES: dict[str, Any] = {
    "connections": {
        "in": {"orders": "0.0.0.0:27001", "trades": "localhost:27002"},
        "out": {"orders": "127.0.0.1:27001", "trades": "127.0.0.1:27002"},
    },
    "states": {
        "in": {"book": {"subscriber": "127.0.0.1:27003", "requester": "127.0.0.1:27004"}},
        "out": {"book": {"publisher": "127.0.0.1:27003", "replyer": "127.0.0.1:27004"}},
    },
}


def write_market(folder: Path) -> list[str]:
    """Write the three services and their addresses, and return the paths of the files."""
    texts = {"exchange": EXCHANGE, "trader": TRADER, "keeper": KEEPER}
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    (folder / "addresses.json").write_text(json.dumps(ADDRESSES))
    return [str(folder / f"{name}.py") for name in texts]


def fleet_folder(folder: Path, fleet: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder the market's with a fleet file, and the working directory; return it."""
    write_market(folder)
    (folder / "fleet.toml").write_text(fleet)
    monkeypatch.chdir(folder)
    return folder
