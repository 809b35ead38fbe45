"""The schema that inbound messages are checked against: unknown fields are dropped or refused."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sf_actors.schema.unknown import UnknownFields

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.definition.models import Model
    from sf_actors.log import PackageLogger
    from sf_actors.schema.schema import Schema


def incoming(schema: Schema, model: Model, count: Callable[[], None], log: PackageLogger) -> Schema:
    """Return the schema for inbound messages, which drops unknown fields or refuses them.

    :param count: called for a message with unknown fields, in the thread that decodes it
    :param log: gets a line for each new name
    """
    if model.creation["unknown_fields"] == "refuse":
        return schema
    return schema.tolerant(UnknownFields(count, partial(_log_unknown, model, log)))


def _log_unknown(model: Model, log: PackageLogger, name: str) -> None:
    log.info("unknown field dropped", model=model.where, field=name)
