"""The graph of services: who is joined to whom, by which model, and which ends are joined to none.

============  ====================================================================================
module        what it holds
============  ====================================================================================
model.py      `Graph`: services, edges and open ends, as plain data
ends.py       the ends of a service: its models with sockets, of a file or of what runs
joining.py    joins ends by their addresses, else by name, family and topic
running.py    the graph of what runs here, by the inspectors' `info`
text.py       a graph as text
mermaid.py    … as a Mermaid flowchart
dot.py        … in Graphviz' language
layout.py     where each service stands and each edge runs, by a library
drawing.py    … as an SVG
============  ====================================================================================

All forms of the same graph are the same bytes.
"""
