"""Looking at what runs: the inspector of a process, and what it answers.

============  ====================================================================================
module        what it holds
============  ====================================================================================
presence.py   who asks for an inspector in this process, and from when to when; `inspect()`
host.py       the one inspector of this process
inspector.py  `Inspector`: the actor that reads questions and answers them
folder.py     the folder of the inspectors' sockets: its place, its mode, who is gone
question.py   one question: what it may hold, and its answer
answers.py    what is answered to each verb
numbers.py    the verb `stats`: the numbers of services and of the process
info.py       the verb `info`: what a service is
running.py    the calls of user code that run long, and the line where each is
============  ====================================================================================

Nothing here costs anything while nobody asks: the inspector's thread waits at its socket.
"""
