"""`--file svc.py --address ADDRESS`: reaches a model without its service's inspector.

The model comes from the file; messages go straight to the address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sf_actors.cli.output import read_input
from sf_actors.cli.remote_services import responder_at
from sf_actors.cli.target import RemoteModel, RemoteService, chosen_model, parse_target
from sf_actors.cli.values import read_fields
from sf_actors.errors import UsageError
from sf_actors.inspection.client import Responder

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from sf_actors.cli.parser import Parser


def add_direct(parser: Parser) -> None:
    """Add the flags of a verb that can do without an inspector."""
    parser.add_argument("--file", metavar="svc.py", help="the service file that has the model")
    parser.add_argument(
        "--address", metavar="ADDRESS", help="of the model's socket, in place of an inspector"
    )


@dataclass(frozen=True, slots=True)
class Direct:
    """One model of a service file, at an address."""

    model: RemoteModel
    responder: Responder

    def fields(self, pairs: Sequence[str]) -> dict[str, Any]:
        """Read the fields of a message from `key=value` pairs; errors as of `read_fields`."""
        schema = self.model.shape["arguments"]
        return read_fields(pairs, schema, read_input=read_input)


def direct_of(
    arguments: argparse.Namespace, is_usable: Callable[[RemoteModel], bool], *, what: str
) -> Direct | None:
    """Return the model that `--file` and `--address` name, None without these flags.

    Runs the file and its setup hooks in this thread.

    :raises UsageError: one of them is missing
    :raises TargetError: the file has no such model, or nobody listens at the address
    """
    if arguments.file is None and arguments.address is None:
        return None
    if arguments.file is None or arguments.address is None:
        raise UsageError("expected both --file and --address, or none of them")
    if arguments.at is not None:
        raise UsageError("--at: expected none beside --file and --address, which ask no inspector")
    if arguments.fleet is not None:
        raise UsageError("--fleet: expected none beside --file and --address, got one")
    model = model_in(arguments.file, arguments.target, is_usable, what=what)
    return Direct(model, responder_at(arguments.address, arguments.timeout, flag="--address"))


def model_in(
    path: str, text: str, is_usable: Callable[[RemoteModel], bool], *, what: str
) -> RemoteModel:
    """Return the model of a service file that a target names; errors as of `direct_of`."""
    from sf_actors.inspection.messages import fields_of  # noqa: PLC0415 - seldom needed
    from sf_actors.inspection.outline import read_outline  # noqa: PLC0415

    outline = read_outline(path)
    service = RemoteService(Responder(path), outline.name)
    models = [
        RemoteModel(
            service,
            one.kind,
            one.side,
            one.name,
            {
                "type": one.type,
                "topic": one.creation.get("topic"),
                "binds": any(one.binds.values()),
                "arguments": fields_of(one.arguments),
            },
        )
        for one in outline.models
    ]
    return chosen_model(parse_target(text), models, is_usable, what=what)
