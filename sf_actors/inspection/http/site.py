"""The paths at which a process answers about its own services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sf_actors.inspection.http import metrics
from sf_actors.inspection.http.answer import Answer
from sf_actors.inspection.http.health import readiness, reason_not_live
from sf_actors.inspection.numbers import numbers_of_all, process_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sf_actors.inspection.http.request import Request


class Site:
    """Answers `/livez`, `/readyz`, `/metrics` and `/stats`; any thread.

    Everything is read when a request comes, so it costs nothing while nobody asks.

    :param stuck_after_s: how long a handler may run before `/livez` fails, in seconds; 0: for ever
    :param ready_needs: in-states without which `/readyz` fails: `STATE` or `SERVICE/STATE`
    """

    def __init__(self, *, stuck_after_s: float, ready_needs: Sequence[str]) -> None:
        self.stuck_after_s = stuck_after_s
        self._ready_needs = tuple(ready_needs)
        self._pages: dict[str, Callable[[], Answer]] = {
            "/livez": self._live,
            "/readyz": self._ready,
            "/metrics": self._metrics,
            "/stats": self._stats,
        }

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request."""
        page = self._pages.get(request.path)
        if page is None:
            return Answer.text(f"there are {', '.join(self._pages)}", status=404)
        return page()

    def _live(self) -> Answer:
        reason = reason_not_live(self.stuck_after_s)
        if reason is None:
            return Answer.json({"live": True})
        return Answer.json({"live": False, "reason": reason}, status=503)

    def _ready(self) -> Answer:
        found = readiness(self._ready_needs)
        return Answer.json(found, status=200 if found["ready"] else 503)

    def _metrics(self) -> Answer:
        text = metrics.text_of(numbers_of_all())
        return Answer(text.encode("utf-8", "replace"), metrics.CONTENT_TYPE)

    def _stats(self) -> Answer:
        return Answer.json({"services": numbers_of_all(), "process": process_numbers()})
