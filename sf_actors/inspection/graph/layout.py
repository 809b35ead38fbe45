"""The positions of boxes and lines; the only module that uses the layout library."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sf_actors.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: From this number of boxes on, less time is spent on the layout.
MANY: Final = 60

#: Room around the drawing, and between its parts.
_MARGIN: Final = 24.0
_LAYER_GAP: Final = 36.0
_NODE_GAP: Final = 28.0


@dataclass(frozen=True, slots=True)
class Box:
    """The size of a box."""

    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line between two boxes, given by their indices, and the size of its label."""

    source: int
    target: int
    label_width: float
    label_height: float


Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Layout:
    """The positions, relative to the upper left corner.

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
    """Return a layered layout from left to right, reproducibly.

    :raises UsageError: the library is not installed
    """
    try:
        import graphlay  # noqa: PLC0415 - of the extra `graph`
    except ImportError:
        raise UsageError(
            "expected the extra 'graph' for a picture, got none; "
            "install it: pip install 'sf_actors[graph]'"
        ) from None
    if not boxes:
        return Layout(2 * _MARGIN, 2 * _MARGIN, (), (), ())
    graph: Any = graphlay.Graph()
    for number, box in enumerate(boxes):
        graph.node(number, width=box.width, height=box.height)
    for number, line in enumerate(lines, len(boxes)):
        # a label is a node on its line, so that nothing else is put there
        graph.node(number, width=line.label_width, height=line.label_height)
    ranks = _ranks(len(boxes), lines)
    is_backward = [ranks[line.source] > ranks[line.target] for line in lines]
    for number, line in enumerate(lines):
        left, right = line.source, line.target
        if is_backward[number]:
            left, right = right, left
        graph.edge(left, len(boxes) + number)
        # for a line from a box to itself, both halves leave on one side
        ends = (right, len(boxes) + number)
        graph.edge(*(ends if left == right else ends[::-1]))
    options = {
        "effort": "fast" if len(boxes) > MANY else "balanced",
        "spacing": {"layer_gap": _LAYER_GAP, "node_gap": _NODE_GAP},
    }
    return _shifted(graphlay.layout(graph, options=options).to_dict(), lines, is_backward)


def _ranks(boxes: int, lines: Sequence[Line]) -> list[int]:
    """Return a rank for each box, such that few lines lead to a lower rank.

    Takes boxes one by one: a box without incoming lines, else the one with the most outgoing lines
    relative to incoming ones.
    """
    ranks = [0] * boxes
    left = set(range(boxes))
    between = [(line.source, line.target) for line in lines if line.source != line.target]
    for rank in range(boxes):
        into, away = Counter(target for _, target in between), Counter(one for one, _ in between)
        free = [box for box in left if not into[box]]
        taken = min(free) if free else min(left, key=lambda box: (into[box] - away[box], box))
        ranks[taken] = rank
        left.remove(taken)
        between = [pair for pair in between if taken not in pair]
    return ranks


def _shifted(raw: dict[str, Any], lines: Sequence[Line], is_backward: Sequence[bool]) -> Layout:
    """Convert the library's result, with the origin at the upper left corner.

    :param is_backward: for each line, True if it was laid out from its target to its source
    """
    low, high = raw["bounds"]["min"], raw["bounds"]["max"]

    def shifted(point: dict[str, float]) -> Point:
        return (
            round(point["x"] - low["x"] + _MARGIN, 1),
            round(point["y"] - low["y"] + _MARGIN, 1),
        )

    boxes = len(raw["nodes"]) - len(lines)
    nodes = [shifted(node["center"]) for node in raw["nodes"]]
    parts = [tuple(map(shifted, edge["points"])) for edge in raw["edges"]]
    found = []
    for number, line in enumerate(lines):
        first, second = parts[2 * number : 2 * number + 2]
        corners = (*first, *(second[::-1] if line.source == line.target else second))
        found.append(corners[::-1] if is_backward[number] else corners)
    return Layout(
        round(high["x"] - low["x"] + 2 * _MARGIN, 1),
        round(high["y"] - low["y"] + 2 * _MARGIN, 1),
        tuple(nodes[:boxes]),
        tuple(found),
        tuple(nodes[boxes:]),
    )
