"""`call`: calls a running replyer, once or many times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sf_actors.cli.call_load import CallLoad
from sf_actors.cli.direct import add_direct, direct_of
from sf_actors.cli.flags import count_of
from sf_actors.cli.output import Output, read_input
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.remote_services import RemoteServices, add_remote_flags, responder_at
from sf_actors.cli.stderr import report
from sf_actors.cli.target import RemoteModel, parse_target
from sf_actors.cli.values import read_fields
from sf_actors.errors import UsageError, UserError
from sf_actors.inspection.client import GRACE_S, InspectorClient, Question, Responder

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

#: How many calls at once go through an inspector, which keeps that many answers for one client.
MOST_THROUGH_INSPECTOR = 256


def run(argv: Sequence[str]) -> int:
    """Make the call, and print the reply."""
    parser = verb_parser(
        "call",
        "Call a replyer and print its reply. Values are read as the model declares them: "
        "key.sub=… for records, JSON for lists and mappings, null, bytes as base64; - reads a "
        "JSON object from standard input.",
        example="sf_actors call exchange/new_order side=buy price=99.5 quantity=1",
    )
    add_remote_flags(parser)
    add_direct(parser)
    parser.add_argument("-n", type=count_of, metavar="N", help="call N times, print a table")
    parser.add_argument("-c", type=count_of, metavar="C", default=1, help="how many at once")
    parser.add_argument("target", metavar="TARGET", help="SERVICE/MODEL, or MODEL alone")
    parser.add_argument(
        "pairs", nargs="*", default=[], metavar="key=value", help="fields of the request"
    )
    arguments = parsed(parser, argv)
    if arguments.n == 0 or arguments.c == 0:
        raise UsageError("-n, -c: expected a number from 1, got 0")
    out = Output(as_json=arguments.json)
    direct = direct_of(arguments, _is_usable, what="replyer")
    if direct is not None:
        with InspectorClient() as client:
            question = Question(direct.responder, direct.fields(arguments.pairs))
            return _ask(out, client, question, arguments, grace_s=0.0)
    with RemoteServices.of(arguments) as remote:
        target = parse_target(arguments.target)
        model = remote.model(target, _is_usable, what="replyer")
        fields = read_fields(
            arguments.pairs, model.shape.get("arguments") or {}, read_input=read_input
        )
        responder = None if arguments.n is None else _own_responder(model, arguments.timeout)
        if responder is not None:
            question = Question(responder, fields)
            return _ask(out, remote.client, question, arguments, grace_s=0.0)
        question = _through_inspector(model, fields, arguments)
        if arguments.n is not None and arguments.c > MOST_THROUGH_INSPECTOR:
            report(f"through the inspector at most {MOST_THROUGH_INSPECTOR} calls are at once")
            arguments.c = MOST_THROUGH_INSPECTOR
        # the inspector keeps the deadline, and reports that it passed
        return _ask(out, remote.client, question, arguments, grace_s=GRACE_S)


def _is_usable(model: RemoteModel) -> bool:
    return model.type == "replyer"


def _own_responder(model: RemoteModel, timeout_s: float) -> Responder | None:
    """Return a replyer's own address, None if only its process can reach it.

    Many calls go there directly, so that they measure the replyer and not the inspector.
    """
    address = str((model.shape["addresses"] or {}).get("replyer"))
    if model.shape["secured"] is not False or model.service.inspector.pid is None:
        return None
    host, colon, port = address.removeprefix("tcp://").rpartition(":")
    if host in {"0.0.0.0", "*"}:  # noqa: S104 - compared, not bound
        address = f"127.0.0.1{colon}{port}"
    try:
        return responder_at(address, timeout_s, flag="-n")
    except UserError:
        return None


def _through_inspector(
    model: RemoteModel, fields: dict[str, Any], arguments: argparse.Namespace
) -> Question:
    args = {
        "verb": "ask",
        "service": model.service.name,
        "model": model.name,
        "args": fields,
        "timeout_s": arguments.timeout,
    }
    return Question(model.service.inspector, args)


def _ask(
    out: Output,
    client: InspectorClient,
    question: Question,
    arguments: argparse.Namespace,
    *,
    grace_s: float,
) -> int:
    longest_s = arguments.timeout + grace_s
    if arguments.n is not None:
        return CallLoad(client, question, timeout_s=longest_s).run(out, arguments.n, arguments.c)
    reply = client.ask_all([question], timeout_s=longest_s)[0].result(arguments.timeout)
    out.emit(reply, indent=2 if out.is_terminal and not out.as_json else None)
    return 0
