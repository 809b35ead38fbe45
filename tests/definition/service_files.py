"""Service files for tests: a few texts, loading them, and preparing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.definition.config.model import ConfigSource
from sf_actors.definition.service_file import load
from sf_actors.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sf_actors.definition.service_file import Definition, ServiceFile

    Load = Callable[[str], ServiceFile]

REPLYER = """
def on_order(args, config): return (args, config)
connection_models = {'in': {'orders': {
    'connection_type': 'replyer', 'required_creation_arguments': {'on_order': on_order}}}}
"""
PUBLISHER = """
connection_models = {'out': {'prices': {'connection_type': 'publisher'}}}
"""
IN_STATE = """
state_models = {'in': {'book': {'state_type': 'full_update'}}}
"""
OUT_STATE = """
state_models = {'out': {'book': {'state_type': 'full_update'}}}
"""


def loading(folder: Path) -> Iterator[Load]:
    """Give a function that loads a service file with a text, and unload what it loaded."""
    loaded: list[ServiceFile] = []

    def write_and_load(text: str) -> ServiceFile:
        file = folder / "svc.py"
        file.write_text(text)
        loaded.append(load(file))
        return loaded[-1]

    yield write_and_load
    for file in loaded:
        file.unload()


def at(kind: str, side: str, name: str, socket: str) -> dict[str, Any]:
    return {kind: {side: {name: {socket: "127.0.0.1:5000"}}}}


ORDERS = at("connections", "in", "orders", "replyer")
PRICES = at("connections", "out", "prices", "publisher")
BOOK_IN = at("states", "in", "book", "subscriber")
BOOK_OUT = at("states", "out", "book", "publisher")


def prepared(
    file: ServiceFile, addresses: Any = None, *, config: Any = None, **options: bool
) -> Definition:
    return file.prepare(ConfigSource(config or {}, {}), addresses, **options)


def refusal(
    file: ServiceFile,
    addresses: Any = None,
    *,
    error: type[Exception] = DefinitionError,
    **given: Any,
) -> str:
    with pytest.raises(error) as caught:
        prepared(file, addresses, **given)
    message = str(caught.value)
    assert "\n" not in message
    return message
