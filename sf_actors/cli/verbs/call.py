"""`call`: calls a running replyer, once or many times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sf_actors.cli.direct import add_direct, direct_of
from sf_actors.cli.flags import count_of
from sf_actors.cli.load import Load
from sf_actors.cli.output import Output, read_input, tell
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.reach import Reach, add_reach, place_at
from sf_actors.cli.target import Model, parse_target
from sf_actors.cli.values import read_fields
from sf_actors.errors import UsageError, UserError
from sf_actors.inspection.asking import GRACE_S, Asking, Place, Question

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
    add_reach(parser)
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
        with Asking() as asking:
            question = Question(direct.place, direct.fields(arguments.pairs))
            return _ask(out, asking, question, arguments, grace_s=0.0)
    with Reach.of(arguments) as reach:
        target = parse_target(arguments.target)
        model = reach.model(target, _is_usable, what="replyer")
        fields = read_fields(
            arguments.pairs, model.shape.get("arguments") or {}, read_input=read_input
        )
        place = None if arguments.n is None else _own_place(model, arguments.timeout)
        if place is not None:
            return _ask(out, reach.asking, Question(place, fields), arguments, grace_s=0.0)
        question = _through_inspector(model, fields, arguments)
        if arguments.n is not None and arguments.c > MOST_THROUGH_INSPECTOR:
            tell(f"through the inspector at most {MOST_THROUGH_INSPECTOR} calls are at once")
            arguments.c = MOST_THROUGH_INSPECTOR
        # the inspector keeps the deadline, and reports that it passed
        return _ask(out, reach.asking, question, arguments, grace_s=GRACE_S)


def _is_usable(model: Model) -> bool:
    return model.type == "replyer"


def _own_place(model: Model, timeout_s: float) -> Place | None:
    """Return a replyer's own address, None if only its process can reach it.

    Many calls go there directly, so that they measure the replyer and not the inspector.
    """
    address = str((model.shape["addresses"] or {}).get("replyer"))
    if model.shape["secured"] is not False or model.resident.place.pid is None:
        return None
    host, colon, port = address.removeprefix("tcp://").rpartition(":")
    if host in {"0.0.0.0", "*"}:  # noqa: S104 - compared, not bound
        address = f"127.0.0.1{colon}{port}"
    try:
        return place_at(address, timeout_s, flag="-n")
    except UserError:
        return None


def _through_inspector(
    model: Model, fields: dict[str, Any], arguments: argparse.Namespace
) -> Question:
    args = {
        "verb": "ask",
        "service": model.resident.service,
        "model": model.name,
        "args": fields,
        "timeout_s": arguments.timeout,
    }
    return Question(model.resident.place, args)


def _ask(
    out: Output,
    asking: Asking,
    question: Question,
    arguments: argparse.Namespace,
    *,
    grace_s: float,
) -> int:
    longest_s = arguments.timeout + grace_s
    if arguments.n is not None:
        return Load(asking, question, timeout_s=longest_s).run(out, arguments.n, arguments.c)
    reply = asking.ask_all([question], timeout_s=longest_s)[0].result(arguments.timeout)
    out.emit(reply, indent=2 if out.is_terminal and not out.as_json else None)
    return 0
