"""A graph as an SVG without styles and scripts, so that any content security policy allows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape, quoteattr

from sf_actors.inspection.graph.layout import MANY, Box, Layout, Line, layout_of
from sf_actors.inspection.graph.model import Edge, Graph, Node
from sf_actors.wording import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_FONT: Final = "ui-monospace, Menlo, Consolas, monospace"
#: The width of a character, the height of a line, and the size of the font.
_CHARACTER, _LINE, _SIZE = 7.3, 16.0, 12
#: A box has room for its name and two lines of figures.
_BOX_HEIGHT: Final = 3.5 * _LINE
_LEAST_WIDTH: Final = 190.0
#: A label has room for its text and a line of figures.
_LABEL_WIDTH: Final = 150.0
#: Attributes of the lines of each kind.
_STROKES: Final = {
    "call": 'stroke="#1f5fa8" stroke-width="1.5"',
    "message": 'stroke="#9a5b00" stroke-width="1.5" stroke-dasharray="6 4"',
    "delta_update": 'stroke="#2e7d32" stroke-width="3"',
    "full_update": 'stroke="#2e7d32" stroke-width="3"',
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A graph with its layout; figures change its texts without moving anything.

    :ivar graph: the graph as drawn, where services of one process may share a box
    :ivar members: the names of the services in each box, in the order of `graph.services`
    :ivar bundles: the edges in each line, in the order of `graph.edges`
    """

    graph: Graph
    layout: Layout
    members: tuple[tuple[str, ...], ...]
    bundles: tuple[tuple[Edge, ...], ...]

    def svg(
        self,
        figures: Mapping[str, Sequence[str]] | None = None,
        *,
        link: Callable[[str], str] | None = None,
    ) -> str:
        """Return the picture.

        :param figures: lines of text by the id of a box (`s1`) or a line (`e1`); the texts have
            the ids `s1.1`, `s1.2`
        :param link: returns the target of the link on a box, from its name
        """
        given = figures or {}
        width, height = self.layout.width, self.layout.height
        lines = [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
                f'viewBox="0 0 {width:g} {height:g}" font-family="{_FONT}" font-size="{_SIZE}">'
            ),
            "<title>services</title>",
            (
                '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
                'markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
                '<path d="M0 0L8 4L0 8z" fill="#444"/></marker></defs>'
            ),
            f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>',
            *self._edges(given),
            *self._services(given, link),
            *self._open_ends(),
            "</svg>",
        ]
        return "\n".join([*lines, ""])

    def _edges(self, figures: Mapping[str, Sequence[str]]) -> Iterator[str]:
        for number, edge in enumerate(self.graph.edges):
            id_ = f"e{number + 1}"
            ends = f"{edge.source}/{edge.source_model} -> {edge.target}/{edge.target_model}"
            yield f'<g id="{id_}"><title>{_text(f"{edge.kind}: {ends}")}</title>'
            yield self._path(number, edge.kind)
            label = [_label(edge), *figures.get(id_, ())]
            yield from _texts(self.layout.labels[number], label, id_=id_, background=True)
            yield "</g>"

    def _services(
        self, figures: Mapping[str, Sequence[str]], link: Callable[[str], str] | None
    ) -> Iterator[str]:
        for number, node in enumerate(self.graph.services):
            id_ = f"s{number + 1}"
            x, y = self.layout.boxes[number]
            width = _width([node.name])
            yield f'<g id="{id_}" data-service={_attribute(node.name)} cursor="pointer">'
            yield f"<title>{_text(node.file or node.name)}</title>"
            if link is not None:
                yield f"<a href={_attribute(link(node.name))}>"
            yield (
                f'<rect x="{x - width / 2:g}" y="{y - _BOX_HEIGHT / 2:g}" width="{width:g}" '
                f'height="{_BOX_HEIGHT:g}" rx="6" fill="#f4f7fb" stroke="#44566c"/>'
            )
            yield from _texts((x, y), [node.name, *figures.get(id_, ())], id_=id_)
            yield "</g>" if link is None else "</a></g>"

    def _open_ends(self) -> Iterator[str]:
        services, edges = len(self.graph.services), len(self.graph.edges)
        for number, end in enumerate(self.graph.open):
            x, y = self.layout.boxes[services + number]
            place = f"{end.service}/{end.model} ({end.side}) is joined to nobody"
            yield f'<g id="o{number + 1}"><title>{_text(place)}</title>'
            yield self._path(edges + number, end.kind)
            yield from _texts(self.layout.labels[edges + number], [end.model], background=True)
            box = _open_box(end.address)
            yield (
                f'<rect x="{x - box.width / 2:g}" y="{y - box.height / 2:g}" '
                f'width="{box.width:g}" height="{box.height:g}" rx="{box.height / 2:g}" '
                'fill="#fff4f4" stroke="#b3261e" stroke-dasharray="3 3"/>'
            )
            yield from _texts((x, y), [_nobody(end.address)])
            yield "</g>"

    def _path(self, number: int, kind: str) -> str:
        corners = " L".join(f"{x:g} {y:g}" for x, y in self.layout.lines[number])
        stroke = _STROKES[kind]
        return f'<path d="M{corners}" fill="none" {stroke} marker-end="url(#arrow)"/>'


def drawing_of(graph: Graph) -> Drawing:
    """Return a graph with its layout; with many services, those of a process share a box.

    :raises UsageError: the extra `graph` is not installed
    """
    members: tuple[tuple[str, ...], ...] = tuple((node.name,) for node in graph.services)
    bundles: tuple[tuple[Edge, ...], ...] = tuple((edge,) for edge in graph.edges)
    if len(graph.services) > MANY:
        graph, members, bundles = by_process(graph)
    numbers = {node.name: number for number, node in enumerate(graph.services)}
    boxes = [Box(_width([node.name]), _BOX_HEIGHT) for node in graph.services]
    lines = [
        _line(numbers[edge.source], numbers[edge.target], _label(edge)) for edge in graph.edges
    ]
    for end in graph.open:
        pair = numbers[end.service], len(boxes)
        source, target = pair if end.side == "out" else pair[::-1]
        lines.append(_line(source, target, end.model))
        boxes.append(_open_box(end.address))
    return Drawing(graph, layout_of(boxes, lines), members, bundles)


def by_process(
    graph: Graph,
) -> tuple[Graph, tuple[tuple[str, ...], ...], tuple[tuple[Edge, ...], ...]]:
    """Return a graph in which the services of each process are merged, unlike those of files.

    :returns: the graph, the names within each of its services, and the edges within each edge
    """
    groups: dict[object, list[Node]] = {}
    for node in graph.services:
        groups.setdefault(node.name if node.pid is None else node.pid, []).append(node)
    boxes = {tuple(node.name for node in group): _boxed(group) for group in groups.values()}
    box_of = {name: box.name for names, box in boxes.items() for name in names}
    bundles: dict[tuple[str, str, str], list[Edge]] = {}
    for edge in graph.edges:
        source, target = box_of[edge.source], box_of[edge.target]
        if source != target:
            bundles.setdefault((source, target, edge.kind), []).append(edge)
    edges = {_bundled(*key, bundle): tuple(bundle) for key, bundle in bundles.items()}
    # open ends of merged services would be drawn many times
    left = tuple(end for end in graph.open if box_of[end.service] == end.service)
    sorted_edges = tuple(sorted(edges))
    return (
        Graph(tuple(boxes.values()), sorted_edges, left),
        tuple(boxes),
        tuple(edges[edge] for edge in sorted_edges),
    )


def _boxed(group: Sequence[Node]) -> Node:
    first = group[0]
    if len(group) == 1:
        return first
    return Node(f"{first.name} and {len(group) - 1} more in {first.pid}", first.file, first.pid)


def _bundled(source: str, target: str, kind: str, bundle: Sequence[Edge]) -> Edge:
    first = bundle[0]
    model = first.model if len(bundle) == 1 else f"{first.model} and {len(bundle) - 1} more"
    return Edge(source, first.source_model, target, first.target_model, model, kind, first.topic)


def _label(edge: Edge) -> str:
    return f"{edge.model} {edge.topic}".rstrip()


def _nobody(address: str) -> str:
    return f"nobody at {address}" if address else "nobody"


def _open_box(address: str) -> Box:
    return Box(len(_nobody(address)) * _CHARACTER + 24, 1.5 * _LINE)


def _line(source: int, target: int, label: str) -> Line:
    return Line(source, target, max(_LABEL_WIDTH, len(label) * _CHARACTER), 2 * _LINE)


def _width(texts: Sequence[str]) -> float:
    return max(_LEAST_WIDTH, *(len(text) * _CHARACTER + 24 for text in texts))


def _texts(
    centre: tuple[float, float],
    lines: Sequence[str],
    *,
    id_: str = "",
    background: bool = False,
) -> Iterator[str]:
    """Yield lines of text around a centre.

    :param id_: the id of the box or line that they belong to
    """
    x, y = centre
    top = y - (len(lines) - 1) * _LINE / 2 + _SIZE / 3
    halo = ' stroke="#ffffff" stroke-width="4" paint-order="stroke"' if background else ""
    for number, line in enumerate(lines):
        weight = ' font-weight="bold"' if id_.startswith("s") and not number else ""
        named = f' id="{id_}.{number}"' if id_ and number else ""
        fill = "#1b1b1b" if not number else "#555555"
        yield (
            f'<text x="{x:g}" y="{top + number * _LINE:g}" text-anchor="middle" '
            f'fill="{fill}"{named}{weight}{halo}>{_text(line)}</text>'
        )


def _text(text: str) -> str:
    return escape(_plain(text))


def _attribute(text: str) -> str:
    return quoteattr(_plain(text))


def _plain(text: str) -> str:
    """Escape characters that XML cannot hold, or that would move other texts."""
    return escaped(text).replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
