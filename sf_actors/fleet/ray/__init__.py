"""Runs a fleet on a cluster of Ray, with the same course and an actor for each instance.

A control actor supervises the fleet, as `up` does on one machine. The actor of an instance reserves
its ports on a node and runs it as a child process, like `up`: so user code runs in the main thread
of a process, and notices the end of its actor as the end of its channel.

================  ================================================================================
module            what it holds
================  ================================================================================
names.py          the names of the actors
package.py        the package of the fleet's folder that is sent to the nodes
directory.py      where its peers are bound, as one instance knows it; data only
events.py         a log of events that other processes read
loop.py           a thread that waits for descriptors
slot.py           one instance on a node: its ports, its process; without Ray
instance_actor.py … as an actor, which finds its peers when Ray has restarted it
actor_registry.py the actors of all instances
runner.py         one run of an instance, for the supervisor
log_files.py      copies log files from another machine
control_actor.py  the actor that supervises the fleet
cluster.py        the connection of a verb to it
================  ================================================================================
"""
