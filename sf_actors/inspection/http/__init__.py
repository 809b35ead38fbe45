"""HTTP for probes, Prometheus and the page: a small server that answers GET and HEAD.

============  ====================================================================================
module        what it holds
============  ====================================================================================
listener.py   `Listener`: the socket, and a thread for each of 64 connections at most
exchange.py   one connection: a request within 5 s, its answer within 5 s
request.py    reads a request, and says who may send one
answer.py     what is answered, as bytes or as a stream of events
site.py       the paths of a process: `/livez`, `/readyz`, `/metrics`, `/stats`
health.py     what the two probes ask
metrics.py    the counters as Prometheus' text
server.py     `sf_actors.http()`: the one listener of a process
============  ====================================================================================

It is a server of its own since the one of the standard library waits for each header without end,
has no bound for connections, and asks nobody who they are.
"""
