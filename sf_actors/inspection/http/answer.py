"""Answers: a body of bytes, or a stream that goes on until its reader is gone."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class Stream(Protocol):
    """Writes the body of an answer in pieces, in the thread of its connection."""

    def __call__(self, write: Write) -> None:
        """Write until `write` returns False, or until all is written."""


class Write(Protocol):
    """Sends a piece of a stream."""

    def __call__(self, piece: bytes) -> bool:
        """Return False once the reader is gone, too slow, or the listener is closed."""

    def wait(self, seconds: float) -> bool:
        """Wait; return False as soon as the reader is gone or the listener is closed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    :ivar stream: writes in place of a body; the connection stays open until it returns
    """

    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: Stream | None = None

    @classmethod
    def text(
        cls, text: str, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Return an answer of plain text."""
        return cls(text.encode() + b"\n", status=status, headers=headers or {})

    @classmethod
    def json(cls, value: Any, *, status: int = 200) -> Answer:
        """Return an answer of JSON; any floats are allowed."""
        text = json.dumps(value, ensure_ascii=False, default=str)
        return cls(text.encode("utf-8", "replace") + b"\n", "application/json", status)

    def head(self) -> bytes:
        """Return the status line and the headers."""
        lines = {
            "Date": formatdate(usegmt=True),
            "Content-Type": self.content_type,
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            **self.headers,
        }
        if self.stream is None:
            lines |= {"Content-Length": str(len(self.body)), "Connection": "close"}
        phrase = HTTPStatus(self.status).phrase
        whole = [f"HTTP/1.1 {self.status} {phrase}", *(f"{k}: {v}" for k, v in lines.items())]
        return "\r\n".join([*whole, "", ""]).encode("latin-1")
