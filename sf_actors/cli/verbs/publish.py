"""`publish`: sends a message to a subscriber, through its inspector or as a publisher."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sf_actors.cli.direct import model_in
from sf_actors.cli.flags import seconds_of
from sf_actors.cli.output import Output, read_input
from sf_actors.cli.parser import TIMEOUT_S, parsed, verb_parser
from sf_actors.cli.remote_services import RemoteServices, add_remote_flags
from sf_actors.cli.stderr import report
from sf_actors.cli.target import RemoteModel, parse_target
from sf_actors.cli.values import read_fields
from sf_actors.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def run(argv: Sequence[str]) -> int:
    """Send one message."""
    parser = verb_parser(
        "publish",
        "Send a message to a subscriber. With --address it takes the place of a publisher there "
        "and waits for a subscriber. Values are read as by call.",
        example="sf_actors publish screen/ticks price=99.5",
    )
    add_remote_flags(parser)
    parser.add_argument("--file", metavar="svc.py", help="the service file with the model")
    parser.add_argument(
        "--address", metavar="ADDRESS", help="publish there: --address 127.0.0.1:27003"
    )
    parser.add_argument(
        "--wait",
        type=seconds_of,
        default=TIMEOUT_S,
        metavar="SECONDS",
        help=f"how long to wait for a subscriber at --address (default {TIMEOUT_S:g})",
    )
    parser.add_argument("target", metavar="TARGET", help="SERVICE/MODEL, or MODEL alone")
    parser.add_argument(
        "pairs", nargs="*", default=[], metavar="key=value", help="fields of the message"
    )
    arguments = parsed(parser, argv)
    if arguments.file is not None and arguments.address is None:
        raise UsageError("--file: expected --address beside it, got none")
    out = Output(as_json=arguments.json)
    if arguments.file is not None:
        model = model_in(arguments.file, arguments.target, _may_publish, what="subscriber")
        return _in_place(out, model, _fields(model, arguments), arguments)
    with RemoteServices.of(arguments) as remote:
        target = parse_target(arguments.target)
        model = remote.model(target, _is_subscriber, what="subscriber")
        fields = _fields(model, arguments)
        if arguments.address is not None:
            return _in_place(out, model, fields, arguments)
        remote.ask(model.service, "publish", model=model.name, args=fields)
    return _sent(out, f"handed to {model}", {"model": str(model)})


def _fields(model: RemoteModel, arguments: argparse.Namespace) -> dict[str, Any]:
    schema = model.shape.get("arguments") or {}
    return read_fields(arguments.pairs, schema, read_input=read_input)


def _is_subscriber(model: RemoteModel) -> bool:
    return model.type == "subscriber"


def _may_publish(model: RemoteModel) -> bool:
    return model.type in {"subscriber", "publisher"}


def _in_place(
    out: Output, model: RemoteModel, fields: dict[str, Any], arguments: argparse.Namespace
) -> int:
    from sf_actors.cli.publisher import BarePublisher  # noqa: PLC0415 - with --address alone

    is_bound_there = model.type == "subscriber" and bool(model.shape.get("binds"))
    topic = model.shape.get("topic")
    with BarePublisher(arguments.address, topic, binds=not is_bound_there) as publisher:
        if not out.as_json:
            report(f"publishing at {publisher.address}, waiting for a subscriber")
        publisher.publish(fields, wait_s=arguments.wait)
    return _sent(out, f"sent to who has subscribed at {publisher.address}", {"model": str(model)})


def _sent(out: Output, words: str, record: dict[str, Any]) -> int:
    if out.as_json:
        out.emit(record)
    else:
        report(words)
    return 0
