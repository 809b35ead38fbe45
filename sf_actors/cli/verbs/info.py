"""`info`: describes a service, or one of its models with an example of a call."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

from sf_actors.cli.examples import example_of
from sf_actors.cli.output import Output
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.remote_services import RemoteServices, add_remote_flags
from sf_actors.cli.schema_reader import SchemaReader, type_of
from sf_actors.cli.target import RemoteModel, models_of, parse_target
from sf_actors.wording import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: The verb that sends messages to a model, by the model's type.
_VERBS: Final = {"replyer": "call", "subscriber": "publish"}


def run(argv: Sequence[str]) -> int:
    """Print the description of a service or of one of its models."""
    parser = verb_parser(
        "info",
        "Show what a service is: its file, command, versions, addresses and models; of a model "
        "its fields and an example of how it is used.",
        example="sf_actors info exchange/new_order",
    )
    add_remote_flags(parser)
    parser.add_argument("target", metavar="SERVICE[/MODEL]", help="a service that runs")
    arguments = parsed(parser, argv)
    out = Output(as_json=arguments.json)
    target = parse_target(arguments.target)
    with RemoteServices.of(arguments) as remote:
        if target.model:
            model = remote.model(
                target, lambda _: True, what="model of a service", prefers_binder=True
            )
            if out.as_json:
                out.emit({"service": model.service.name, "model": model.name} | model.shape)
            else:
                out.line("\n".join(_model_text(out, model)))
            return 0
        service = remote.service(target)
        info = remote.ask(service, "info")
    if out.as_json:
        out.emit(info)
        return 0
    out.line("\n".join(_service_text(out, info, list(models_of(service, info)))))
    return 0


def _service_text(
    out: Output, info: dict[str, Any], models: Sequence[RemoteModel]
) -> Iterator[str]:
    versions = {"python": info.get("python")} | (info.get("versions") or {})
    lines = {
        "service": f"{info['service']} (pid {info['pid']})",
        "file": info.get("file"),
        "command": info.get("command"),
        "started": info.get("started_at"),
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
        "config": ", ".join(info.get("config") or ()),
        "log file": info.get("log_file"),
    }
    for name, text in lines.items():
        if text:
            yield f"{out.coloured(name.ljust(9), 'faint')} {escaped(str(text))}"
    rows = [
        (f"{model.side}/{model.name}", model.type, _topic(model), _addresses(model))
        for model in models
    ]
    if rows:
        yield ""
        yield out.table(("MODEL", "TYPE", "TOPIC", "ADDRESSES"), rows)
        yield ""
        one = shlex.quote(f"{models[0].service}/MODEL")
        yield f"fields of one: sf_actors info {escaped(one)}"


def _topic(model: RemoteModel) -> str:
    topic = model.shape.get("topic")
    return "-" if topic is None else str(topic)


def _addresses(model: RemoteModel) -> str:
    found = model.shape["addresses"]
    if not found:
        return "-"
    return ", ".join(f"{socket} {address}" for socket, address in found.items())


def _model_text(out: Output, model: RemoteModel) -> Iterator[str]:
    yield escaped(f"{model}: {model.type}, topic {_topic(model)}")
    for what, title in (("arguments", "fields"), ("return_arguments", "reply")):
        schema = model.shape.get(what)
        if schema is None:
            continue
        fields = SchemaReader().properties(schema)
        required = schema.get("required") or ()
        rows = [
            (name, type_of(part), "required" if name in required else "optional")
            for name, part in fields.items()
        ]
        yield ""
        yield out.coloured(f"{title}: {'' if rows else 'none'}".rstrip(), "strong")
        if rows:
            yield out.table(("FIELD", "TYPE", ""), rows)
    verb = _VERBS.get(model.type, "watch")
    given = example_of(model.shape.get("arguments") or {}) if verb != "watch" else ""
    yield ""
    yield escaped(f"sf_actors {verb} {shlex.quote(str(model))} {given}".rstrip())
