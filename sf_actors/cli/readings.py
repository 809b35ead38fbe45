"""Reads the numbers of all services repeatedly, and makes rows for `ps` and `top` of them."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from sf_actors.cli.figures import PS_KEYS, TOP_KEYS, row_of, silent_row, top_row_of
from sf_actors.inspection.client import Answer, Responder, questions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors.cli.remote_services import RemoteServices


class Readings:
    """Reads the numbers of all services repeatedly, for rates; one thread.

    :param has_more: with the further columns of `top`
    """

    def __init__(self, remote: RemoteServices, *, has_more: bool) -> None:
        self._remote = remote
        self._has_more = has_more
        self._last: dict[Responder, tuple[float, dict[str, Any]]] = {}
        self._pids: dict[Responder, int | None] = {}

    def read(self, *, timeout_s: float) -> list[dict[str, Any]]:
        """Return one row a service, with the rates since the last reading.

        A process that does not answer has one row without figures.

        :param timeout_s: how long to wait for the answers, in seconds
        """
        inspectors = self._remote.inspectors()
        elsewhere = [one for one in inspectors if one.pid is None and one not in self._pids]
        for ping in self._remote.client.ask_all(questions(elsewhere, "ping"), timeout_s=timeout_s):
            self._pids[ping.responder] = (ping.value or {}).get("pid")
        asked = questions(inspectors, "stats")
        answers = self._remote.client.ask_all(asked, timeout_s=timeout_s)
        now = monotonic()
        rows = [row for answer in answers for row in self._rows(answer, now)]
        self._last = {
            answer.responder: (now, answer.value) for answer in answers if answer.value is not None
        }
        return rows

    def _rows(self, answer: Answer, now: float) -> Iterator[dict[str, Any]]:
        if answer.value is None:
            yield silent_row(answer.responder, PS_KEYS + TOP_KEYS * self._has_more)
            return
        then, last = self._last.get(answer.responder, (now, {}))
        before = _by_name(last)
        started_at = {
            one["service"]["service"]: one["started_at"]
            for one in answer.value.get("services", ())
            if "started_at" in one
        }
        process = answer.value.get("process") or {}
        cpu = None
        if last and now > then:
            used = process.get("cpu_s", 0.0) - (last.get("process") or {}).get("cpu_s", 0.0)
            cpu = max(0.0, used / (now - then))
        pid = self._pids.get(answer.responder, answer.responder.pid)
        for name, stats in _by_name(answer.value).items():
            row = row_of(pid, stats, before.get(name))
            # the process knows it exactly; computed here it would jitter by milliseconds
            row["started_at"] = started_at.get(name, row["started_at"])
            if self._has_more:
                row = top_row_of(row, stats, before.get(name), process, cpu)
            yield row


def _by_name(value: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["service"]["service"]: one["service"] for one in value.get("services", ())}
