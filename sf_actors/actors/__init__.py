"""Actors: each inbound connection and each state is one, with a thread and sockets of its own.

======================  =================================================  =======================
thread                  runs                                               touches the sockets
======================  =================================================  =======================
an actor's              one loop: wait for its inbox and its sockets       its own, alone
the router's            calls to handlers that could not run at once       none
a worker's              calls to handlers of one model with `workers`      none
the caller of to_send   check, encode, send, wait for the reply            an outbound one, under
                                                                           its lock
======================  =================================================  =======================

A message comes in on the socket of an inbound actor. Its thread decodes it and hands a `Call` to
its `Deliveries`: when no user code runs and none waits, the handler runs at once in that thread;
else the call queues at the router and runs in the router's thread, and its answer comes back to the
actor as a message. Either way one handler runs at a time, and each connection keeps its order.
If only one connection brings calls, the router has no thread until one of them has to wait. Calls
of a model with `workers` go to its own pool and do not take the handler lock.
"""
