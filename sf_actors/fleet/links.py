"""The links between the services of a fleet, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class End:
    """One socket of one service; for a bus, `model` and `socket` are 'xsub' or 'xpub'."""

    service: str
    kind: str
    side: str
    model: str
    socket: str


@dataclass(frozen=True, slots=True, order=True)
class Joint:
    """A socket that connects, and the one that it connects to."""

    connector: End
    binder: End


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """Two linked models, or a model and a bus; `source` sends.

    :ivar model: the name of the model that binds
    :ivar kind: `call`, `message`, `delta_update` or `full_update`
    :ivar topic: '' without one
    """

    source: str
    source_model: str
    target: str
    target_model: str
    model: str
    kind: str
    topic: str
    joints: tuple[Joint, ...]

    def as_dict(self) -> dict[str, str | None]:
        """Return the form that `plan --json` prints."""
        return {
            "from": f"{self.source}/{self.source_model}",
            "to": f"{self.target}/{self.target_model}",
            "model": self.model,
            "kind": self.kind,
            "topic": self.topic or None,
        }
