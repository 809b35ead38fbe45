"""Inspection of running services: the inspector of a process, and the tools that ask it.

================ ================================================================================
module           what it holds
================ ================================================================================
presence.py      starts and ends the inspector of this process; `inspect()`
host.py          the one inspector of this process
inspector.py     `Inspector`: the actor that reads questions and answers them
socket_file.py   the sockets that it listens at, and their files
remote_socket.py a TCP socket for other machines with authorized keys
folder.py        the folder of the inspectors' sockets: its place, its mode, stale sockets
question.py      one question: its arguments, and where its answer goes
answers.py       the answer to each verb
injections.py    the verbs `ask` and `publish`, which hand messages to models
streams.py       the verb `tap`, which streams the messages of a model
numbers.py       the verb `stats`: the numbers of services and of the process
info.py          the verb `info`: the description of a service
running.py       long-running calls of user code, with the line where each is
deadlines.py     timed actions of the inspector
iso_time.py      times as texts

client.py        the client side: asks many inspectors at once
inspectors.py    finds the inspectors of this machine
stream_reader.py reads one stream

outline.py       services that do not run, as their files describe them
messages.py      the messages of a model as JSON Schemas
asyncapi.py      services as an AsyncAPI document
schema_diff.py   changes of such a document that break older peers
graph/           the graph of services and their connections
http/            /livez, /readyz, /metrics, /stats
dashboards/      for Grafana, with alerts for Prometheus
================ ================================================================================

Inspection costs nothing while nobody asks: the inspector's thread waits at its socket.
"""
