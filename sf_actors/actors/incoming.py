"""What the messages of others are held to: they may have fields that the model lacks."""

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
    """Return the schema of what comes in: by the model's choice, unknown fields are dropped.

    :param count: counts a message that had some; in the thread that decodes it
    :param log: is told each new name
    """
    if model.creation["unknown_fields"] == "refuse":
        return schema
    return schema.tolerant(UnknownFields(count, partial(_tell, model, log)))


def _tell(model: Model, log: PackageLogger, name: str) -> None:
    log.info("unknown field dropped", model=model.where, field=name)
