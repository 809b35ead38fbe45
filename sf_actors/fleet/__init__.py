"""Runs many services from one file: reads and checks it, links the services, supervises them.

================  ================================================================================
module            what it holds
================  ================================================================================
fleet.py          `Fleet`, `FleetService`: the content of a fleet file, as data
fleet_file.py     reads it
service_keys.py   the keys of a service in it, and how the value of each is read
outlines.py       `ServiceOutline`: the models of a service, as data
describing.py     reads one service file in a process of its own
source_places.py  … the lines of its models
handler_calls.py  … the connections that its handlers call
reading.py        reads the service files of a fleet, in parallel
findings.py       `Finding`: an error or a warning, with a code
links.py          `Link`: the connection of two models, as data
matching.py       which models may be linked, and which of these match
linking.py        links models by name, and explains why a model has no partner
addresses.py      the addresses of each instance, from the links
plan.py           services, instances, links and addresses
check.py          all findings of a fleet; `checks` has a module for each kind
live_check.py     … of its files against what runs
loose_files.py    … of service files that are linked by addresses
keyring.py        the CURVE keys of a fleet
graph.py          its graph
export            a fleet as files for systemd and Kubernetes
ray               a fleet on a cluster of Ray
levels.py         the levels of `after`
restarts.py       if and when an instance that has ended is restarted
instance.py       the state of an instance in the course
actions.py        the actions that the course asks for
course.py         decides who starts, stops and restarts when: a state machine without processes
extra_runs.py     … extra runs of instances in a rolling restart
arrangement.py    the present instances and addresses of a fleet
task.py           … the task of a child
channel.py        … the channel to it
child.py          a child of `up`: a process, its group, its output, its end
signals.py        the signals that end a fleet
instance_log.py   the output of an instance: its log file, and the lines that `up` shows
supervisor.py     the one process that runs a fleet
run_folder.py     the folder of a running fleet, and the lock on it
control.py        the requests of other verbs to the running `up`
verb_answers.py   … its answers
changes.py        … `restart` and `scale`
rolling.py        … `restart --rolling`
================  ================================================================================
"""
