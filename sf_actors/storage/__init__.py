"""Keeps the value of an out-state in a file, so that it outlives the service.

=============  ==================================================================
module         what it holds
=============  ==================================================================
store.py       `Store`: what an out-state uses
pending.py     the updates that wait to be written, bounded
writer.py      the thread that writes them behind, in batches
recorder.py    what it writes, in which order, and when a compaction is due
compaction.py  writes the value whole, step by step, and removes what it replaces
reading.py     reads a value back, in pieces
contents.py    the value and its updates in terms of the model, today's and the file's
file.py        the file: its lock, its creation, its checks
layout.py      the tables of the file and their rows
=============  ==================================================================

The file is a database of SQLite in WAL mode with three tables. `pieces` holds the value whole, in
rows of many keys; `log` the updates after it, a row for each batch; `head`, one row, says which
pieces are the value, and up to which update the log belongs to it. Each row has a checksum, since
SQLite has none.

Updates have a count of the store's own, from 1 on, which goes on over restarts. Each transaction is
one statement; ``base`` is the count up to which the pieces hold the updates:

======================  ===========================================================================
what happens            what is written, each line a transaction
======================  ===========================================================================
updates                 all of a batch, in rows of the log
compaction: the log     pieces of the next generation, in many transactions, of the value as of an
has outgrown the value  update S; the log goes on beside them
                        in the head, the generation and ``base`` = S
                        older pieces and the log up to S are deleted, in many transactions
updates were left out,  as before, but what the log holds after S is another chain: it counts when
or a value was replaced the head names the generation and the chain; until then the older ones do
by a large one
======================  ===========================================================================

So whatever moment the process is killed at, the file holds the value as it was after some update,
and that is the last one of the last transaction.
"""
