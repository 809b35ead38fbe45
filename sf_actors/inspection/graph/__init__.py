"""The graph of services: the connections between their models, and models without a peer.

============  ====================================================================================
module        what it holds
============  ====================================================================================
model.py      `Graph`: services, edges and open ends, as plain data
ends.py       the ends of a service: its models with sockets, from a file or a running service
joining.py    joins ends by their addresses, else by name, kind and topic
running.py    the graph of what runs here, from the inspectors' `info`
text.py       a graph as text
mermaid.py    … as a Mermaid flowchart
dot.py        … in Graphviz' language
layout.py     the positions of services and edges, computed by a library
drawing.py    … as an SVG
============  ====================================================================================

The output is reproducible: the same graph gives the same bytes in each form.
"""
