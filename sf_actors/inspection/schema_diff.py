"""Finds the changes of a schema that break peers made for an older one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sf_actors.errors import UsageError
from sf_actors.inspection.asyncapi import MODEL
from sf_actors.inspection.messages import incoming_of, outgoing_of
from sf_actors.schema.compatibility import incompatibilities
from sf_actors.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ChannelKey = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Break:
    """One change that breaks a peer, described by `message`."""

    service: str
    model: str
    message: str

    def __str__(self) -> str:
        return f"{self.service}/{self.model}: {self.message}"


def breaks(old: Mapping[str, Any], new: Mapping[str, Any], *, where: str) -> list[Break]:
    """Return the changes that break a peer with the old document, in that document's order.

    :param where: the name of the old document, for messages
    :raises UsageError: the old document was not written by `schema`
    """
    if not isinstance(old.get("asyncapi"), str) or not old["asyncapi"].startswith("3."):
        raise UsageError(f"{where}: expected a schema of AsyncAPI 3, got {shown(dict(old))}")
    try:
        before = _channels(old)
        return list(_breaks(before, _channels(new)))
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise UsageError(
            f"{where}: expected a schema as `sf_actors schema` writes it, got one without "
            f"{type(error).__name__}: {error}"
        ) from None


def _channels(document: Mapping[str, Any]) -> dict[ChannelKey, Mapping[str, Any]]:
    found = {}
    for channel in document["channels"].values():
        model = channel[MODEL]
        found[model["service"], model["kind"], model["side"], model["name"]] = channel
    return found


def _breaks(
    old: Mapping[ChannelKey, Mapping[str, Any]], new: Mapping[ChannelKey, Mapping[str, Any]]
) -> Iterator[Break]:
    for key, before in old.items():
        service, _, _, name = key
        channel = new.get(key)
        was = before[MODEL]
        if channel is None:
            yield Break(service, name, f"the {was['type']} is gone")
            continue
        now = channel[MODEL]
        if now["type"] != was["type"]:
            yield Break(service, name, f"was a {was['type']}, is a {now['type']} now")
            continue
        if now["topic"] != was["topic"]:
            yield Break(service, name, f"its topic was {was['topic']!r}, is {now['topic']!r} now")
        for message in _fields(was["type"], before["messages"], channel["messages"]):
            yield Break(service, name, message)


def _fields(type_: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    before, now = incoming_of(type_, old), incoming_of(type_, new)
    if before is not None and now is not None:
        for one in incompatibilities(now, before):
            yield f"{one.path}, which comes in: now {one.expected}, an older peer sends {one.got}"
    before, now = outgoing_of(type_, old), outgoing_of(type_, new)
    if before is not None and now is not None:
        for one in incompatibilities(before, now):
            yield f"{one.path}, which goes out: an older peer wants {one.expected}, now {one.got}"
