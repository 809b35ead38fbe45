"""A fleet whose caller ends, to be exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PRICER = """
config_model = {'required': {'factor': float}, 'optional': {'instance': int}}
def price(args, config): return {'price': args['size'] * config['factor']}
connection_models = {'in': {'price': {'connection_type': 'replyer',
    'required_creation_arguments': {'on': price},
    'required_arguments': {'size': int}, 'required_return_arguments': {'price': float}}}}
"""
CALLER = """
def main(to_send):
    print(to_send('price', {'size': 2})['price'], flush=True)
connection_models = {'out': {'price': {'connection_type': 'requester',
    'required_arguments': {'size': int}, 'required_return_arguments': {'price': float}}}}
"""
FLEET = """
[fleet]
name = "market"
[services.pricer]
file = "pricer.py"
instances = 2
config = { factor = 1.50 }
env = { TITLE = "50% of $HOME" }
[services.bus]
bus = true
[services.caller]
file = "caller.py"
main = true
after = ["pricer"]
"""


def write_fleet(folder: Path, text: str = FLEET) -> None:
    """Write the fleet and its services."""
    (folder / "pricer.py").write_text(PRICER)
    (folder / "caller.py").write_text(CALLER)
    (folder / "fleet.toml").write_text(text)
