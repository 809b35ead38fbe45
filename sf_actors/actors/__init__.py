"""Actors: each inbound connection and each state is one, with a thread and sockets of its own.

======================  =================================================  =======================
thread                  runs                                               touches the sockets
======================  =================================================  =======================
an actor's              one loop: wait for its inbox and its sockets       its own, alone
the router's            calls to handlers that could not run at once       none
the caller of to_send   check, encode, send, wait for the reply            an outbound one, under
                                                                           its lock
======================  =================================================  =======================

An inbound actor's thread reads a message, decodes it and passes a `Call` to the `HandlerLock`. If
no user code runs or waits, the handler runs at once in that thread. Otherwise the call queues at
the router and runs in the router's thread, and its result returns to the actor as a message. Either
way one handler runs at a time, and each connection keeps its order. If only one connection makes
calls, the router has no thread until one of them has to wait.
"""
