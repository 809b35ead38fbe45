"""A fleet on a cluster of Ray: the same course, whose children are actors.

An actor supervises the fleet, as `up` does on one machine. Each instance has an actor too, which
keeps its ports and has a child of its own there, as `up` would have: user code runs in the main
thread of a process, and what Ray does to an actor it notices as the end of its channel.

================  ================================================================================
module            what it holds
================  ================================================================================
names.py          what the actors are called
package.py        what of the fleet's folder travels
directory.py      who is bound where, as one instance knows it: data alone
events.py         what has happened, for those elsewhere that ask
loop.py           one thread that waits for descriptors
slot.py           one instance on a node: its ports, its process; without Ray
instance_actor.py … as an actor, which meets its peers when Ray has started it again
crew.py           the actors of all instances
runner.py         one run of an instance, as the supervisor has it
log_files.py      log files on another machine
control_actor.py  the actor that supervises
cluster.py        how a verb reaches it
================  ================================================================================
"""
