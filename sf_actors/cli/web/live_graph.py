"""Reads the services that run on this machine, and keeps the last reading."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from sf_actors.cli.web.figures import Reading, figures_of
from sf_actors.inspection.client import InspectorClient, Responder, questions
from sf_actors.inspection.graph.drawing import Drawing, drawing_of
from sf_actors.inspection.graph.ends import ends_of_info
from sf_actors.inspection.graph.joining import joined
from sf_actors.inspection.graph.model import Node
from sf_actors.inspection.graph.running import Info, read_infos, unique_names
from sf_actors.inspection.inspectors import inspectors_here
from sf_actors.sync.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: How long one reading may take, in seconds; a process silent that long is shown as `NO ANSWER`.
ANSWER_S: Final = 0.8
#: A reading older than this is not used for rates, in seconds.
_OLD_S: Final = 10.0

#: How long reading the `info` of the services may take after a change, in seconds.
_INFOS_S: Final = 5.0

#: A process, a service's name, its start time, and if it is still starting (no models then).
_Run = tuple[Responder, str, str, bool]


@dataclass(frozen=True, slots=True)
class Picture:
    """The picture that is shown: a drawing and its texts.

    :ivar version: changes with the drawing
    """

    version: int
    drawing: Drawing
    figures: dict[str, list[str]]


@dataclass(slots=True)
class _Sample:
    """One reading of all processes; a silent one keeps its last answer."""

    taken_at: float
    stats: dict[tuple[Responder, str], dict[str, Any]] = field(default_factory=dict)
    started_at: dict[tuple[Responder, str], str] = field(default_factory=dict)
    silent: set[Responder] = field(default_factory=set)


class LiveGraph:
    """Reads what runs, on demand; any thread, one reading at a time.

    :param inspectors: returns the inspectors that run now
    """

    def __init__(self, inspectors: Callable[[], list[Responder]] = inspectors_here) -> None:
        self._inspectors_now = inspectors
        self._lock = new_lock()
        self._client = InspectorClient()
        self._inspectors: set[Responder] = set()
        self._sample = _Sample(0.0)
        self._earlier = _Sample(0.0)
        self._runs: set[_Run] = set()
        self._infos: dict[Responder, list[Info]] = {}
        self._names: dict[str, tuple[Responder, str]] = {}
        self._picture: Picture | None = None

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            self._client.close()

    def picture(self, max_age_s: float) -> Picture:
        """Return the picture of what runs, read again if the last reading is older.

        :param max_age_s: the greatest age of a reading, in seconds
        :raises FolderError: the folder of the inspectors is not safe
        """
        with self._lock:
            if self._picture is None or monotonic() - self._sample.taken_at > max_age_s:
                self._picture = self._read()
            return self._picture

    def info(self, name: str) -> Info | None:
        """Return the `info` of a service by its name in the graph; None if there is none."""
        with self._lock:
            if name not in self._names:
                # it may have started since
                self._picture = self._read()
            found = self._names.get(name)
            if found is None:
                return None
            inspector, service = found
            known = (info for info in self._infos.get(inspector, ()) if info["service"] == service)
            answer = self._client.ask_all(
                questions([inspector], "info", service=service), timeout_s=ANSWER_S
            )[0]
            return answer.value or next(known, None)

    def members(self, name: str) -> tuple[str, ...]:
        """Return the services in a box of the drawing, by its name."""
        picture = self.picture(_OLD_S)
        boxes = picture.drawing.graph.services
        return next(
            (
                names
                for box, names in zip(boxes, picture.drawing.members, strict=True)
                if box.name == name
            ),
            (),
        )

    def _read(self) -> Picture:
        self._earlier, self._sample = self._sample, self._stats(self._inspectors_now())
        is_recent = self._sample.taken_at - self._earlier.taken_at < _OLD_S
        drawing, version = self._drawing()
        readings = {}
        for name, run in self._names.items():
            before = self._earlier.stats.get(run) if is_recent else None
            is_silent = run[0] in self._sample.silent
            readings[name] = Reading(None if is_silent else self._sample.stats.get(run), before)
        return Picture(version, drawing, figures_of(drawing, readings))

    def _stats(self, inspectors: list[Responder]) -> _Sample:
        if set(inspectors) != self._inspectors:
            # else connections to ended processes would pile up
            self._client.close()
            self._client = InspectorClient()
            self._inspectors = set(inspectors)
        sample = _Sample(monotonic())
        answers = self._client.ask_all(questions(inspectors, "stats"), timeout_s=ANSWER_S)
        for answer in answers:
            if answer.value is None:
                sample.silent.add(answer.responder)
                for run, stats in self._sample.stats.items():
                    if run[0] == answer.responder:
                        sample.stats[run] = stats
                        sample.started_at[run] = self._sample.started_at[run]
                continue
            for one in answer.value["services"]:
                run = answer.responder, one["service"]["service"]
                sample.stats[run] = one["service"]
                sample.started_at[run] = str(one.get("started_at"))
        return sample

    def _drawing(self) -> tuple[Drawing, int]:
        """Return the drawing and its version; both change if the set of services has changed."""
        sample = self._sample
        runs = {
            (*run, sample.started_at[run], stats["phase"] in {"STARTING", "NOT_STARTED"})
            for run, stats in sample.stats.items()
        }
        heard = {inspector for inspector, _ in sample.stats}
        runs |= {
            (inspector, "", "", False) for inspector in sample.silent if inspector not in heard
        }
        picture = self._picture
        if picture is not None and runs == self._runs:
            return picture.drawing, picture.version
        answering = [inspector for inspector in self._inspectors if inspector not in sample.silent]
        infos = read_infos(self._client, answering, _INFOS_S)
        kept = {inspector: self._infos.get(inspector, []) for inspector in sample.silent}
        self._infos = {**kept, **infos}
        described = {
            (inspector, info["service"]) for inspector, info in _with_inspectors(self._infos)
        }
        # if an `info` is missing, ask again at the next reading
        self._runs = runs if sample.stats.keys() <= described else set()
        return self._drawn(), 1 if picture is None else picture.version + 1

    def _drawn(self) -> Drawing:
        known = sorted(
            _with_inspectors(self._infos), key=lambda one: (one[1]["service"], one[1]["pid"])
        )
        names = unique_names([info for _, info in known])
        self._names = {
            name: (inspector, info["service"])
            for name, (inspector, info) in zip(names, known, strict=True)
        }
        services = [
            Node(name, info["file"], info["pid"])
            for name, (_, info) in zip(names, known, strict=True)
        ]
        ends = [
            end
            for name, (_, info) in zip(names, known, strict=True)
            for end in ends_of_info(info, name)
        ]
        for inspector in sorted(self._sample.silent, key=str):
            if not self._infos.get(inspector):
                name = f"{inspector.name}@{inspector.pid}"
                services.append(Node(name, None, inspector.pid))
                self._names[name] = inspector, ""
        return drawing_of(joined(services, ends))


def _with_inspectors(infos: dict[Responder, list[Info]]) -> Iterable[tuple[Responder, Info]]:
    return ((inspector, info) for inspector, known in infos.items() for info in known)
