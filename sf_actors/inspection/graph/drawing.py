"""A graph as an SVG, without styles and scripts, so that any policy of a page lets it be."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape, quoteattr

from sf_actors.inspection.graph.layout import MANY, Box, Layout, Line, layout_of
from sf_actors.inspection.graph.model import Edge, Graph, Node
from sf_actors.wording import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_FONT: Final = "ui-monospace, Menlo, Consolas, monospace"
#: Of a character of the font, and of a line of text.
_CHARACTER, _LINE, _SIZE = 7.3, 16.0, 12
#: A box has room for its name and two lines of figures.
_BOX_HEIGHT: Final = 3.5 * _LINE
_LEAST_WIDTH: Final = 150.0
#: A label has room for its text and a line of figures.
_LABEL_WIDTH: Final = 120.0
#: Attributes of the lines of each kind.
_STROKES: Final = {
    "call": 'stroke="#1f5fa8" stroke-width="1.5"',
    "message": 'stroke="#9a5b00" stroke-width="1.5" stroke-dasharray="6 4"',
    "delta_update": 'stroke="#2e7d32" stroke-width="3"',
    "full_update": 'stroke="#2e7d32" stroke-width="3"',
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A graph that has been laid out; figures change its texts, and move nothing.

    :ivar graph: as it is drawn: what belongs together may be one box
    """

    graph: Graph
    layout: Layout

    def svg(self, figures: Mapping[str, Sequence[str]] | None = None) -> str:
        """Return the picture.

        :param figures: lines of text by the id of a service (`s1`) or an edge (`e1`)
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
            *self._services(given),
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
            yield from _texts(self.layout.labels[number], label, background=True)
            yield "</g>"

    def _services(self, figures: Mapping[str, Sequence[str]]) -> Iterator[str]:
        for number, node in enumerate(self.graph.services):
            id_ = f"s{number + 1}"
            x, y = self.layout.boxes[number]
            width = _width([node.name])
            yield f'<g id="{id_}" data-service={_attribute(node.name)} cursor="pointer">'
            yield f"<title>{_text(node.file or node.name)}</title>"
            yield (
                f'<rect x="{x - width / 2:g}" y="{y - _BOX_HEIGHT / 2:g}" width="{width:g}" '
                f'height="{_BOX_HEIGHT:g}" rx="6" fill="#f4f7fb" stroke="#44566c"/>'
            )
            yield from _texts((x, y), [node.name, *figures.get(id_, ())], is_strong=True)
            yield "</g>"

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
    """Return the layout of a graph; the services of a process are one box where there are many.

    :raises UsageError: the extra `graph` is not installed
    """
    if len(graph.services) > MANY:
        graph = by_process(graph)
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
    return Drawing(graph, layout_of(boxes, lines))


def by_process(graph: Graph) -> Graph:
    """Return a graph in which the services of each process are one; those of files stay apart."""
    counts = Counter(node.pid for node in graph.services)
    names: dict[str, str] = {}
    firsts: dict[int | None, str] = {}
    nodes = []
    for node in graph.services:
        if node.pid is None or counts[node.pid] == 1:
            names[node.name] = node.name
            nodes.append(node)
            continue
        if node.pid not in firsts:
            firsts[node.pid] = f"{node.name} and {counts[node.pid] - 1} more in {node.pid}"
            nodes.append(Node(firsts[node.pid], node.file, node.pid))
        names[node.name] = firsts[node.pid]
    bundles: dict[tuple[str, str, str], list[Edge]] = {}
    for edge in graph.edges:
        source, target = names[edge.source], names[edge.target]
        if source != target:
            bundles.setdefault((source, target, edge.kind), []).append(edge)
    edges = [_bundled(key, bundle) for key, bundle in bundles.items()]
    # an open end of one of many would be drawn many times
    left = tuple(end for end in graph.open if names[end.service] == end.service)
    return Graph(tuple(nodes), tuple(sorted(edges)), left)


def _bundled(key: tuple[str, str, str], bundle: Sequence[Edge]) -> Edge:
    source, target, kind = key
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
    is_strong: bool = False,
    background: bool = False,
) -> Iterator[str]:
    """Give lines of text around a centre."""
    x, y = centre
    top = y - (len(lines) - 1) * _LINE / 2 + _SIZE / 3
    halo = ' stroke="#ffffff" stroke-width="4" paint-order="stroke"' if background else ""
    for number, line in enumerate(lines):
        weight = ' font-weight="bold"' if is_strong and not number else ""
        fill = "#1b1b1b" if not number else "#555555"
        yield (
            f'<text x="{x:g}" y="{top + number * _LINE:g}" text-anchor="middle" '
            f'fill="{fill}"{weight}{halo}>{_text(line)}</text>'
        )


def _text(text: str) -> str:
    return escape(_plain(text))


def _attribute(text: str) -> str:
    return quoteattr(_plain(text))


def _plain(text: str) -> str:
    """Return a text with what XML cannot hold, or what moves other texts, escaped."""
    return escaped(text).replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
