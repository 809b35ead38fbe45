"""The answer of the page's server for each path."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from sf_actors.cli.output import plain
from sf_actors.cli.web.figures import BOX_LINES, EDGE_LINES
from sf_actors.inspection.http.answer import Answer

if TYPE_CHECKING:
    from sf_actors.cli.web.live_graph import LiveGraph, Picture
    from sf_actors.inspection.http.answer import Write
    from sf_actors.inspection.http.request import Request

#: How often an open page gets new figures, in seconds.
EVERY_S: Final = 1.0

#: The page loads nothing from elsewhere, and no other page may embed it.
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
_PATHS: Final = ("/", "/graph.svg", "/events", "/info?service=NAME")
_ASSETS: Final = {
    "/page.js": "text/javascript; charset=utf-8",
    "/page.css": "text/css; charset=utf-8",
    "/page.svg": "image/svg+xml",
}


class Pages:
    """Answers the page's requests; any thread."""

    def __init__(self, graph: LiveGraph) -> None:
        self._graph = graph

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request."""
        return self._with_headers(self._answer(request))

    def _answer(self, request: Request) -> Answer:
        if request.path == "/":
            picture = svg_of(self._graph.picture(EVERY_S))
            page = _asset("/page.html").replace("<!-- picture -->", picture)
            return Answer(page.encode("utf-8", "replace"), "text/html; charset=utf-8")
        if request.path == "/graph.svg":
            picture = svg_of(self._graph.picture(EVERY_S))
            return Answer(picture.encode("utf-8", "replace"), "image/svg+xml")
        if request.path == "/events":
            return Answer(content_type="text/event-stream", stream=self._events)
        if request.path == "/info":
            return self._info(request.query.get("service", []))
        if request.path in _ASSETS:
            return Answer(_asset(request.path).encode(), _ASSETS[request.path])
        return Answer.text(f"there are {', '.join(_PATHS)}", status=404)

    def _info(self, names: list[str]) -> Answer:
        if len(names) != 1:
            return Answer.text("expected /info?service=NAME", status=400)
        members = self._graph.members(names[0])
        if len(members) > 1:
            return Answer.json({"services": members})
        found = self._graph.info(names[0])
        if found is None:
            return Answer.text(f"no service {escape(names[0])!r} runs here", status=404)
        return Answer.json(plain(found))

    def _events(self, write: Write) -> None:
        """Send the figures every second, and the picture whenever it has changed."""
        version = None
        while True:
            picture = self._graph.picture(EVERY_S / 2)
            if picture.version != version and not write(_event("graph", svg_of(picture))):
                return
            version = picture.version
            if not write(_event("figures", picture.figures)) or not write.wait(EVERY_S):
                return

    @staticmethod
    def _with_headers(answer: Answer) -> Answer:
        return replace(answer, headers={**answer.headers, **_HEADERS})


def svg_of(picture: Picture) -> str:
    """Return a picture with its texts; each service links to its `info`."""
    figures = {
        id_: [*lines, *[""] * ((BOX_LINES if id_.startswith("s") else EDGE_LINES) - len(lines))]
        for id_, lines in picture.figures.items()
    }
    return picture.drawing.svg(figures, link=lambda name: f"/info?service={quote(name, safe='')}")


def _event(name: str, value: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(value)}\n\n".encode()


@cache
def _asset(path: str) -> str:
    return (Path(__file__).parent / path.removeprefix("/")).read_text(encoding="utf-8")
