"""Keeps the value of an out-state in a file, so that it outlives the service.

=============  ==================================================================
module         content
=============  ==================================================================
store.py       `Store`: what an out-state uses
pending.py     the updates that wait to be written, bounded
writer.py      the thread that writes them in the background, in batches
recorder.py    the order of its writes, and when a compaction is due
compaction.py  writes the value whole, step by step, and removes what it replaces
reading.py     reads a value back, in pieces
contents.py    converts the value and its updates between the file and the model
file.py        the file: its lock, its creation, its checks
layout.py      the tables of the file and their rows
=============  ==================================================================

The file is an SQLite database in WAL mode with three tables. `pieces` holds the whole value, in
rows of many keys; `log` holds the updates after it, a row for each batch; `head` has one row, which
tells which pieces are the value and which part of the log belongs to it. Each row has a checksum,
since SQLite has none.

The store has its own count of updates, from 1 on, which continues over restarts. Each transaction
is one statement; ``base`` is the count of the last update in the pieces:

======================  ===========================================================================
event                   written rows, each line a transaction
======================  ===========================================================================
updates                 all of a batch, in rows of the log
compaction: the log     pieces of the next generation, in many transactions, of the value as of an
has outgrown the value  update S; the log goes on beside them
                        in the head, the generation and ``base`` = S
                        older pieces and the log up to S are deleted, in many transactions
updates were left out,  as before, but the log after S is another chain: it counts once the head
or a value was replaced names the generation and the chain; until then the older ones count
by a large one
======================  ===========================================================================

So if the process is killed at any moment, the file holds the value after the last update of the
last transaction.
"""
