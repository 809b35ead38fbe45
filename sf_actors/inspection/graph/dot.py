"""A graph in Graphviz' language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sf_actors.wording import escaped

if TYPE_CHECKING:
    from sf_actors.inspection.graph.model import Graph

_STYLES: Final = {
    "call": "solid",
    "message": "dashed",
    "delta_update": "bold",
    "full_update": "bold",
}


def dot_of(graph: Graph) -> str:
    """Return the digraph: calls solid, messages dashed, states bold, open ends dotted."""
    ids = {node.name: f"s{number}" for number, node in enumerate(graph.services, 1)}
    lines = ["digraph services {", "    rankdir=LR;", "    node [shape=box];"]
    lines += [f"    {ids[node.name]} [label={_quoted(node.name)}];" for node in graph.services]
    for edge in graph.edges:
        label = f"{edge.model} {edge.topic}".rstrip()
        lines.append(
            f"    {ids[edge.source]} -> {ids[edge.target]} "
            f"[label={_quoted(label)}, style={_STYLES[edge.kind]}];"
        )
    for number, end in enumerate(graph.open, 1):
        at = f"nobody at {end.address}" if end.address else "nobody"
        lines.append(f"    o{number} [label={_quoted(at)}, style=dotted];")
        pair = (
            (ids[end.service], f"o{number}")
            if end.side == "out"
            else (f"o{number}", ids[end.service])
        )
        lines.append(
            f"    {pair[0]} -> {pair[1]} [label={_quoted(end.model)}, style={_STYLES[end.kind]}];"
        )
    return "\n".join([*lines, "}", ""])


def _quoted(text: str) -> str:
    quoted = escaped(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'
