"""`new`: writes a first service, its test, and its address."""

from __future__ import annotations

import json
import keyword
import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sf_actors.cli.output import Output
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.shell import FAILED
from sf_actors.cli.stderr import report
from sf_actors.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST_PORT, LAST_PORT = 27001, 32767

SERVICE = '''\
"""A service that greets: `python -m sf_actors -s {name}.py -a addresses.json`."""

from sf_actors import get_logger

LOG = get_logger()


def on_request(args):
    """Handle one request; what it returns is the reply."""
    LOG.info("greeting", name=args["name"])
    return {{"text": f"Hello {{args['name']}}!"}}


connection_models = {{
    "in": {{
        "{name}": {{
            "connection_type": "replyer",
            "required_creation_arguments": {{"on_new_request": on_request}},
            "required_arguments": {{"name": str}},
            "required_return_arguments": {{"text": str}},
        }}
    }}
}}
'''

TEST = '''\
"""Tests {name}.py: it runs in this process, and is asked as other services ask it."""

import {name}

from sf_actors import counterpart
from sf_actors.testing import module_of, running

MODEL = {name}.connection_models["in"]["{name}"]
ASKER = module_of("asker", connection_models={{"out": {{"{name}": counterpart(MODEL)}}}})


def test_who_asks_is_greeted():
    addresses = {{"connections": {{"in": {{"{name}": "127.0.0.1:0"}}}}}}
    with running({name}, addresses=addresses) as service:
        address = service.addresses["connections"]["in"]["{name}"]
        there = {{"connections": {{"out": {{"{name}": address}}}}}}
        with running(ASKER, addresses=there) as asker:
            assert asker.to_send("{name}", {{"name": "world"}}) == {{"text": "Hello world!"}}
'''


def run(argv: Sequence[str]) -> int:
    """Write NAME.py, test_NAME.py and the address; 1 if one of them exists."""
    parser = verb_parser(
        "new",
        "Write a service, NAME.py, its test, test_NAME.py, and its address into addresses.json. "
        "Nothing is overwritten.",
        example="sf_actors new greeter",
        has_timeout=False,
    )
    parser.add_argument("name", metavar="NAME", help="of the service: a name of Python")
    arguments = parsed(parser, argv)
    name = _checked(arguments.name)
    addresses_path = Path("addresses.json")
    texts = {Path(f"{name}.py"): SERVICE, Path(f"test_{name}.py"): TEST}
    there = [str(path) for path in texts if path.exists()]
    addresses = _read(addresses_path)
    if any(name in addresses["connections"][side] for side in ("in", "out")):
        there.append(f"{name} in {addresses_path}")
    if there:
        report(f"{', '.join(there)}: there already, nothing was written")
        return FAILED
    try:
        for path, text in texts.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text.format(name=name))
        _add(addresses, name)
        _replace(addresses_path, json.dumps(addresses, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        report(f"{error.filename}: {error.strerror}")
        return FAILED
    out = Output(as_json=arguments.json)
    written = [*map(str, texts), str(addresses_path)]
    if out.as_json:
        out.emit({"name": name, "written": written})
        return 0
    for one in written:
        out.line(one)
    report(f"run it: python -m sf_actors -s {name}.py -a addresses.json")
    report(f"ask it: python -m sf_actors call {name} name=world")
    return 0


def _checked(name: str) -> str:
    # an import statement normalizes names like this
    name = unicodedata.normalize("NFKC", name)
    if not name.isidentifier() or keyword.iskeyword(name):
        raise UsageError(f"expected a name of Python such as greeter, got {name!r}")
    if name in sys.stdlib_module_names or name in {"sf_actors", "addresses"}:
        raise UsageError(f"expected another name than {name!r}, which is a module already")
    return name


def _read(path: Path) -> dict[str, Any]:
    """Read the addresses, and add the sections that the new address needs.

    :raises UsageError: the file exists and does not hold addresses
    """
    addresses: Any = {}
    try:
        addresses = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: expected addresses as JSON: {error}") from None
    if not isinstance(addresses, dict):
        raise UsageError(f"{path}: expected a JSON object with addresses")
    connections = addresses.setdefault("connections", {})
    for side in ("in", "out"):
        if not isinstance(connections, dict) or not isinstance(connections.get(side, {}), dict):
            raise UsageError(f"{path}: expected a JSON object with addresses")
        connections.setdefault(side, {})
    return addresses


def _add(addresses: dict[str, Any], name: str) -> None:
    """Give the service an address that the file does not use yet."""
    taken = json.dumps(addresses)
    port = next(port for port in range(FIRST_PORT, LAST_PORT) if f":{port}" not in taken)
    for side in ("in", "out"):
        addresses["connections"][side][name] = f"127.0.0.1:{port}"


def _replace(path: Path, text: str) -> None:
    """Replace the content of a file atomically."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
