"""Many services from one file: what it says, who is joined to whom, at which addresses.

================  ================================================================================
module            what it holds
================  ================================================================================
fleet.py          `Fleet`, `FleetService`: what a fleet file says, as data
fleet_file.py     reads it
service_keys.py   the keys of a service in it, and how the value of each is read
outlines.py       what the models of a service are, as data: `ServiceOutline`
describing.py     reads one service file in a process of its own
source_places.py  … the lines of its models
asks.py           … what its handlers ask
reading.py        reads the service files of a fleet, side by side
findings.py       `Finding`: what is wrong, with a code
joints.py         `Link`: what joins two, as data
meeting.py        which models may be joined, and which of these meet
links.py          who is joined to whom, by names; and why one is joined to nobody
addresses.py      the addresses of each instance, by links
plan.py           services, instances, links and addresses
check.py          all findings of a fleet; `checks` has a module for each kind
live.py           … of its files against what runs
loose_files.py    … of service files that are joined by addresses
keyring.py        the CURVE keys of a fleet
graph.py          its graph
export            a fleet as files for systemd and Kubernetes
ray               a fleet on a cluster of Ray
levels.py         the levels of `after`
restarts.py       when an instance that has ended is run again
standing.py       an instance as its course sees it
actions.py        what the course wants to be done
course.py         who starts, stops and starts again when: a machine without processes
arrangement.py    the instances and addresses of a fleet that runs, as what runs them needs it
task.py           … what a child is told
channel.py        … over what
child.py          a child of `up`: a process, its group, what it prints, its end
signals.py        the signals that end a fleet
instance_log.py   what an instance prints: its log file, and what `up` shows
supervisor.py     the one process that runs a fleet
place.py          the folder of a fleet that runs, and who has it
control.py        how other verbs reach the `up` that runs
operation.py      … and what it answers
changes.py        … to `restart` and `scale`
rolling.py        … to `restart --rolling`
================  ================================================================================
"""
