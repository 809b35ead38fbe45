"""Where boxes stand and lines run: the one place that knows the library that decides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sf_actors.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: From so many boxes on, less time is spent on a beautiful layout.
MANY: Final = 60

#: Room around the drawing, and beside the labels of lines.
_MARGIN: Final = 24.0


@dataclass(frozen=True, slots=True)
class Box:
    """A box, by its size."""

    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line between two boxes, by their numbers, with the size of its label."""

    source: int
    target: int
    label_width: float
    label_height: float


Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is, from the upper left corner on.

    :ivar boxes: the centre of each box
    :ivar lines: the corners of each line
    :ivar labels: the centre of each label
    """

    width: float
    height: float
    boxes: tuple[Point, ...]
    lines: tuple[tuple[Point, ...], ...]
    labels: tuple[Point, ...]


def layout_of(boxes: Sequence[Box], lines: Sequence[Line]) -> Layout:
    """Return a layered layout, from left to right; the same for the same input.

    :raises UsageError: the library is not installed
    """
    try:
        import graphlay  # noqa: PLC0415 - of the extra `graph`
    except ImportError:
        raise UsageError(
            "expected the extra 'graph' for a picture, got none; "
            "install it: pip install 'sf_actors[graph]'"
        ) from None
    graph: Any = graphlay.Graph()
    for number, box in enumerate(boxes):
        graph.node(number, width=box.width, height=box.height)
    for line in lines:
        size = {"width": line.label_width, "height": line.label_height}
        graph.edge(line.source, line.target, label_size=size)
    widest = max((line.label_width for line in lines), default=0.0)
    options = {
        "effort": "fast" if len(boxes) > MANY else "balanced",
        "spacing": {"layer_gap": max(54.0, widest + _MARGIN)},
    }
    if not boxes:
        return Layout(2 * _MARGIN, 2 * _MARGIN, (), (), ())
    return _shifted(graphlay.layout(graph, options=options).to_dict())


def _shifted(raw: dict[str, Any]) -> Layout:
    """Return what the library found, with the origin at the upper left corner."""
    low, high = raw["bounds"]["min"], raw["bounds"]["max"]

    def shifted(point: dict[str, float]) -> Point:
        return (
            round(point["x"] - low["x"] + _MARGIN, 1),
            round(point["y"] - low["y"] + _MARGIN, 1),
        )

    lines = tuple(tuple(map(shifted, edge["points"])) for edge in raw["edges"])
    labels = tuple(
        shifted(edge["label_anchor"]) if edge["label_anchor"] else _middle(corners)
        for edge, corners in zip(raw["edges"], lines, strict=True)
    )
    return Layout(
        round(high["x"] - low["x"] + 2 * _MARGIN, 1),
        round(high["y"] - low["y"] + 2 * _MARGIN, 1),
        tuple(shifted(node["center"]) for node in raw["nodes"]),
        lines,
        labels,
    )


def _middle(corners: Sequence[Point]) -> Point:
    (x, y), (to_x, to_y) = corners[(len(corners) - 1) // 2 :][:2]
    return (round((x + to_x) / 2, 1), round((y + to_y) / 2, 1))
