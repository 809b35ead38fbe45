"""The messages of a model on the wire, as JSON Schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sf_actors.schema.json_schema import schema_of_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sf_actors.definition.models import Model
    from sf_actors.schema.json_schema import Node
    from sf_actors.schema.schema import Schema

_RECEIVING: Final = ("replyer", "subscriber", "delta_update_in", "full_update_in")
_WORKFLOW_ID: Node = {"description": "travels unchanged with all that the message brings about"}
_ERROR: Node = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "message": {"type": "string"},
        "unhandled": {"type": "boolean"},
    },
    "required": ["type", "message"],
}


def fields_of(schema: Schema) -> Node:
    """Return the JSON Schema of the fields of a message."""
    return schema_of_fields(schema.required, schema.optional)


def messages_of(model: Model) -> dict[str, Any]:
    """Return the messages of a model with sockets, by name, in the form of AsyncAPI."""
    return messages_of_fields(
        model.type,
        fields_of(model.arguments),
        fields_of(model.return_arguments),
        refuses=model.creation.get("unknown_fields") == "refuse",
        is_single=model.single_state,
    )


def messages_of_fields(
    type_: str, arguments: Node, returned: Node | None, *, refuses: bool, is_single: bool
) -> dict[str, Any]:
    """Return the messages of a model from the schemas of its fields.

    :param arguments: modified here
    :param returned: modified here; None if the model has no reply
    :param refuses: messages with unknown fields are invalid
    :param is_single: the state's one field is `state`, whose content is the value
    """
    if refuses and type_ in _RECEIVING:
        arguments["additionalProperties"] = False
    if type_ in ("replyer", "requester"):
        returned = returned or {"type": "object", "properties": {}}
        if refuses and type_ == "requester":
            returned["additionalProperties"] = False
        request = _envelope({"args": arguments}, ["args"])
        request["properties"]["expires_in_s"] = {"type": "number"}
        reply = _envelope({"return_args": returned, "error": _ERROR}, [])
        reply["oneOf"] = [{"required": ["return_args"]}, {"required": ["error"]}]
        return {"request": {"payload": request}, "reply": {"payload": reply}}
    if type_.startswith("delta_update"):
        arguments = _delta(arguments, is_single=is_single)
    return {"message": {"payload": _envelope({"args": arguments}, ["args"])}}


def incoming_of(type_: str, messages: Mapping[str, Any]) -> Node | None:
    """Return the fields of a model's incoming messages; None if it has none."""
    if type_ == "requester":
        return _fields_in(messages, "reply", "return_args")
    if type_ == "replyer":
        return _fields_in(messages, "request", "args")
    if type_ in ("subscriber", "full_update_in", "delta_update_in"):
        return _published(type_, messages)
    return None


def outgoing_of(type_: str, messages: Mapping[str, Any]) -> Node | None:
    """Return the fields of a model's outgoing messages; None if it has none."""
    if type_ == "requester":
        return _fields_in(messages, "request", "args")
    if type_ == "replyer":
        return _fields_in(messages, "reply", "return_args")
    if type_ in ("publisher", "full_update_out", "delta_update_out"):
        return _published(type_, messages)
    return None


def _envelope(properties: dict[str, Any], required: list[str]) -> Node:
    node: Node = {"type": "object", "properties": {**properties, "workflow_id": _WORKFLOW_ID}}
    if required:
        node["required"] = required
    return node


def _delta(fields: Node, *, is_single: bool) -> Node:
    """Return the schema of a delta state's arguments: the whole value, or a patch of it.

    :param is_single: the model's one field is `state`, whose content is the value
    """
    whole = fields["properties"]["state"] if is_single else fields
    patch = {"type": "object", "description": "a merge patch of the value (RFC 7396)"}
    return {
        "type": "object",
        "properties": {
            "current_num": {"type": "integer"},
            "is_snapshot": {"type": "boolean"},
            "state": {"anyOf": [whole, patch]},
        },
        "required": ["current_num", "is_snapshot", "state"],
    }


def _published(type_: str, messages: Mapping[str, Any]) -> Node:
    fields = _fields_in(messages, "message", "args")
    if not type_.startswith("delta_update"):
        return fields
    whole: Node = fields["properties"]["state"]["anyOf"][0]
    return whole


def _fields_in(messages: Mapping[str, Any], message: str, part: str) -> Node:
    fields: Node = messages[message]["payload"]["properties"][part]
    return fields
