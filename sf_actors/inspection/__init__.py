"""Looking at what runs: the inspector of a process, and who asks it.

============== ==================================================================================
module         what it holds
============== ==================================================================================
presence.py    who asks for an inspector in this process, and from when to when; `inspect()`
host.py        the one inspector of this process
inspector.py   `Inspector`: the actor that reads questions and answers them
door.py        the files of the sockets that it listens at
entrance.py    the same for other machines: TCP, for authorized keys
folder.py      the folder of the inspectors' sockets: its place, its mode, who is gone
question.py    one question: what it may hold, and its answer
answers.py     what is answered to each verb
asks.py        the verbs `ask` and `publish`: what waits for the answer of a model
streams.py     the verb `tap`: what passes a model, for who watches
numbers.py     the verb `stats`: the numbers of services and of the process
info.py        the verb `info`: what a service is
running.py     the calls of user code that run long, and the line where each is
deadlines.py   what the inspector is to do at a time
iso_time.py    times as texts

asking.py      the other side: asks inspectors, all at once
places.py      where inspectors are, without those of dead processes
watching.py    reads one stream

outline.py     services that do not run, as their files describe them
messages.py    the messages of a model as JSON Schemas
asyncapi.py    services as an AsyncAPI document
schema_diff.py what breaks the peers of an older one
graph/         services and what joins them
http/          /livez, /readyz, /metrics, /stats
dashboards/    for Grafana, alerts for Prometheus
============== ==================================================================================

Nothing here costs anything while nobody asks: the inspector's thread waits at its socket.
"""
