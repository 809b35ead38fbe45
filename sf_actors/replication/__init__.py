"""A state and its replicas, without thread, socket or clock.

A publisher numbers its updates from 0 and carries an epoch, a random number of its run. Each
update goes out once as a delta; each heartbeat repeats the last number (the head), and with
`digest` a digest of the value. Snapshots, and deltas since a number, are given on request.

A replica is SYNCING, LIVE or STALE. It follows the epoch heard last; deltas that it cannot apply
yet are buffered. "Ask" sends one request with a token; "behind" means that the head heard is
above the value's number, that another epoch is followed than the value's, or that the value is
in doubt.

========================================== ============= ===========================================
event                                      phase         what happens
========================================== ============= ===========================================
start                                      (none)        SYNCING; Ask after a heartbeat at most
first message on the subscription          SYNCING       Ask: nothing after it can be missed
delta, the next number                     LIVE, STALE   applied; LIVE
delta, a number the value has              any           dropped, counted in `duplicates`
delta, a later number                      LIVE, STALE   buffered, counted in `gaps`; SYNCING, Ask
delta, a later number, a whole value       any, in epoch as any other; of a peer without epochs:
                                                         applied, a gap counted; LIVE
delta, not the next number                 SYNCING       buffered
delta that fills the gap                   SYNCING       applied, then what is buffered; LIVE
delta that cannot be applied               any           value unchanged; SYNCING, Ask for a
                                                         snapshot
the same number fails after a snapshot     SYNCING       `error` in the status; no Ask until a
                                                         higher number is heard
heartbeat, head is the value's number      LIVE, STALE   LIVE, without a snapshot
heartbeat, head above it                   LIVE, STALE   counted in `gaps`; SYNCING, Ask
heartbeat with another digest              LIVE, STALE   SYNCING, Ask for a snapshot; twice in a
                                                         row: `error` in the status, compared no
                                                         more
message of another epoch                   any           followed: SYNCING, buffer dropped, Ask
message of an epoch that was left          any           dropped, counted in `late`
snapshot, not older than the value         SYNCING       taken, then what is buffered; LIVE, or
                                                         still behind and Ask again
snapshot, older than the value             SYNCING       dropped; Ask again
second answer in a row that ends below     SYNCING       what they do not bear out was false and is
what was heard when it was asked for                     forgotten, with all that is buffered; LIVE
deltas since the value's number            SYNCING       applied as if heard; LIVE or Ask again
answer of another epoch than the followed  SYNCING       that one is the newer: followed, taken
answer to a request forgotten              any           dropped, counted in `late`
answer that cannot be read or is an error  SYNCING       `error` in the status; Ask again, later
no answer within the deadline              SYNCING       Ask again; a late answer is still taken
a piece of a large answer is read          SYNCING       no Ask until the next heartbeat at least
buffer full                                SYNCING       emptied; the answer is too old then, Ask
                                                         again
nothing heard for `stale_after_s`          SYNCING, LIVE STALE, once there was a value
any sign of life                           STALE         LIVE, or SYNCING when behind
========================================== ============= ===========================================

One request is under way at a time. The deadline is a heartbeat, at least 1 s. The first Ask after
a calm heartbeat goes out at once, further ones after a pause that doubles up to half a heartbeat
(eight while nothing is heard), each shortened at random by up to a half.

Why an answer decides which epoch is the newer: epochs have no order, and a message from the
subscription may be a late one of a publisher that is gone. Requests are forgotten as soon as
another epoch is followed, so whoever answers was alive after that was heard.

A peer without epochs, the original's publisher, has the epoch None, no heartbeats and snapshots
numbered 0 for ever. Its snapshot is taken to hold what was heard when it was asked for; a whole
value with a lower number is how it starts again, any other lower number may be, so the snapshot is
asked for; that it lost its last update goes unnoticed.
"""
