"""A delta state without its sockets, kept in a store."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from sf_actors.log import package_logger
from sf_actors.replication.publisher_log import PublisherLog
from sf_actors.replication.values.fields import StateFields
from sf_actors.replication.values.frozen import View, thaw
from sf_actors.schema.schema import Schema
from sf_actors.storage.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PATIENCE_S = 30.0


class Keeper:
    """Publishes updates as a delta state does, and keeps them; ended by `with`.

    :param required: the fields that the state requires
    :param optional: its other fields
    """

    def __init__(
        self,
        path: Path | str,
        required: Mapping[str, Any],
        optional: Mapping[str, Any] | None = None,
        *,
        where: str = "state",
    ) -> None:
        self.failures = 0
        self.lock = threading.Lock()
        schema = Schema(required, optional or {}, where=where)
        is_single = {*schema.required, *schema.optional} == {"state"}
        self.fields = StateFields(
            schema, where=where, is_single=is_single, is_numbered_by_caller=False
        )
        self.store, self.kept = Store.open(path, schema, is_single=is_single, where=where)
        epoch = max(time.time_ns(), (self.kept.epoch or 0) + 1)
        self.epoch = epoch
        self.log = PublisherLog(schema.shape, epoch=epoch, value=self.kept.value)
        self.log.resume(self.kept.value, self.kept.number, None)
        self.store.begin(
            epoch, self.lock, self.current, log=package_logger(), on_failed=self.count_failure
        )

    def __enter__(self) -> Keeper:
        return self

    def __exit__(self, *_error: object) -> None:
        self.store.close(PATIENCE_S)

    def current(self) -> tuple[int, Any]:
        return self.log.number, self.log.value

    def count_failure(self) -> None:
        self.failures += 1

    def send(self, **args: Any) -> int:
        """Publish an update and return its number."""
        fields = self.fields.flat_patch(args)
        if fields is not None:
            with self.lock:
                number = self.log.publish(fields, is_snapshot=False)
                self.store.append(number, False, fields)
            return number
        update = self.fields.checked(args)
        with self.lock:
            number = self.log.publish(update.typed, update.is_snapshot)
            self.store.append(number, update.is_snapshot, update.content, update.cuts)
        return number

    @property
    def value(self) -> dict[str, Any]:
        """The value as a plain dict."""
        with self.lock:
            return dict(thaw(self.log.value))


def kept_in(
    path: Path | str, required: Mapping[str, Any], optional: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], int]:
    """Return the value in a file, as a plain dict, and its number."""
    schema = Schema(required, optional or {}, where="state")
    is_single = {*schema.required, *schema.optional} == {"state"}
    store, kept = Store.open(path, schema, is_single=is_single, where="state")
    store.close(PATIENCE_S)
    return View(kept.value).__plain__(), kept.number
