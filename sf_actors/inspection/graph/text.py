"""A graph as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sf_actors.wording import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sf_actors.inspection.graph.model import Graph


def text_of(graph: Graph) -> str:
    """Return the services, edges and open ends, one a line."""
    parts: list[tuple[str, Iterable[Sequence[str]]]] = [
        ("services", ((node.name, node.file or "") for node in graph.services)),
        (
            "joined",
            (
                (
                    f"{edge.source}/{edge.source_model}",
                    "->",
                    f"{edge.target}/{edge.target_model}",
                    edge.kind,
                    edge.topic,
                )
                for edge in graph.edges
            ),
        ),
        (
            "open",
            ((f"{end.service}/{end.model}", end.side, end.kind, end.address) for end in graph.open),
        ),
    ]
    lines = [line for head, rows in parts for line in _part(head, list(rows))]
    return "\n".join([*lines, ""])


def _part(head: str, rows: list[Sequence[str]]) -> Iterator[str]:
    if not rows:
        return
    yield head
    cells = [[escaped(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield f"  {'  '.join(padded)}".rstrip()
