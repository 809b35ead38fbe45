"""A graph as a Mermaid flowchart, which code hosts show in Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sf_actors.wording import escaped

if TYPE_CHECKING:
    from sf_actors.inspection.graph.model import Graph

#: The characters that Mermaid may misread within quotation marks.
_SPECIAL: Final = re.compile(r"[^A-Za-z0-9 _.,:/+-]")
_ARROWS: Final = {"call": "-->", "message": "-.->", "delta_update": "==>", "full_update": "==>"}


def mermaid_of(graph: Graph) -> str:
    """Return the flowchart: calls plain, messages dotted, states thick, open ends rounded."""
    ids = {node.name: f"s{number}" for number, node in enumerate(graph.services, 1)}
    lines = ["flowchart LR"]
    lines += [f'    {ids[node.name]}["{_escaped(node.name)}"]' for node in graph.services]
    for edge in graph.edges:
        topic = f" {edge.topic}" if edge.topic else ""
        label = _escaped(f"{edge.model}{topic}")
        lines.append(f'    {ids[edge.source]} {_ARROWS[edge.kind]}|"{label}"| {ids[edge.target]}')
    for number, end in enumerate(graph.open, 1):
        at = f" at {end.address}" if end.address else ""
        lines.append(f'    o{number}("nobody{_escaped(at)}")')
        here, nobody = ids[end.service], f"o{number}"
        pair = (here, nobody) if end.side == "out" else (nobody, here)
        label = _escaped(end.model)
        lines.append(f'    {pair[0]} {_ARROWS[end.kind]}|"{label}"| {pair[1]}')
        lines.append(f"    style o{number} stroke-dasharray: 4 4")
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", escaped(text))
