"""A small HTTP server for probes, Prometheus and the web page; answers GET and HEAD.

=============  ===================================================================================
module         what it holds
=============  ===================================================================================
listener.py    `Listener`: the socket, and a thread for each of 64 connections at most
connection.py  one connection: a request within 5 s, its answer within 5 s
request.py     parses a request, and checks that we may answer it
answer.py      an answer, as bytes or as a stream of events
site.py        the paths of a process: `/livez`, `/readyz`, `/metrics`, `/stats`
health.py      the conditions of the two probes
metrics.py     the counters in Prometheus' text format
server.py      `sf_actors.http()`: the one listener of a process
=============  ===================================================================================

It does not use the standard library's server, which waits for headers without a deadline, does not
limit connections, and does not check the Host header.
"""
