"""A state and its replicas, without thread, socket or clock.

A publisher numbers its updates from 0 and has an epoch, a random number of its run. It sends each
update once, as a delta. Each heartbeat carries the last number (the head) and, with `digest`, a
digest of the value. On request the publisher sends a snapshot, or the deltas since a number.

A replica is SYNCING, LIVE or STALE. It follows the epoch heard last, and buffers deltas that it
cannot apply yet. "Ask" sends one request with a token. "Behind" means that the head is above the
value's number, that the followed epoch is not the value's, or that the value is in doubt.

========================================== ============= ===========================================
event                                      phase         what happens
========================================== ============= ===========================================
start                                      (none)        SYNCING; Ask after a heartbeat at most
first message on the subscription          SYNCING       Ask: nothing after it can be missed
delta, the next number                     LIVE, STALE   applied; LIVE
delta, a number the value has              any           dropped, counted in `duplicates`
delta, a later number                      LIVE, STALE   buffered, counted in `gaps`; SYNCING, Ask
delta, a later number, a whole value       any, in epoch as any other; from a peer without epochs:
                                                         applied, a gap counted; LIVE
delta, not the next number                 SYNCING       buffered
delta that fills the gap                   SYNCING       applied, then the buffer; LIVE
delta that cannot be applied               any           value unchanged; SYNCING, Ask for a
                                                         snapshot
the same number fails after a snapshot     SYNCING       `error` in the status; no Ask until a
                                                         higher number is heard
heartbeat, head is the value's number      LIVE, STALE   LIVE, without a snapshot
heartbeat, head above it                   LIVE, STALE   counted in `gaps`; SYNCING, Ask
heartbeat with another digest              LIVE, STALE   SYNCING, Ask for a snapshot; twice in a
                                                         row: `error` in the status, digests are
                                                         compared no more
message of another epoch                   any           followed: SYNCING, buffer dropped, Ask
message of an epoch that was left          any           dropped, counted in `late`
snapshot, not older than the value         SYNCING       taken, then the buffer; LIVE, or still
                                                         behind and Ask again
snapshot, older than the value             SYNCING       dropped; Ask again
second answer in a row that ends below     SYNCING       the higher numbers were false: forgotten,
the head as it was when asked for                        with the whole buffer; LIVE
deltas since the value's number            SYNCING       applied as if heard; LIVE or Ask again
answer of another epoch than the followed  SYNCING       that epoch is newer: followed, answer taken
answer to a forgotten request              any           dropped, counted in `late`
answer that is unreadable or an error      SYNCING       `error` in the status; Ask again, later
no answer within the deadline              SYNCING       Ask again; a late answer is still taken
a piece of a large answer is read          SYNCING       no Ask until the next heartbeat at least
buffer full                                SYNCING       emptied; the answer is then too old: Ask
                                                         again
nothing heard for `stale_after_s`          SYNCING, LIVE STALE, once there was a value
any sign of life                           STALE         LIVE, or SYNCING when behind
========================================== ============= ===========================================

One request is under way at a time. Its deadline is a heartbeat, at least 1 s. The first Ask after
a calm heartbeat goes out at once. Further ones wait, each twice as long, up to half a heartbeat
(eight while nothing is heard); each pause is shortened at random by up to a half.

Why an answer decides which epoch is newer: epochs have no order, and a message of the subscription
may be a late one of a dead publisher. A replica forgets its requests when it follows another epoch,
so the publisher that answers was alive after that.

A peer without epochs (the original's publisher) has the epoch None, no heartbeats, and numbers all
its snapshots 0. A snapshot of it is taken to contain every update heard before the request. A whole
value with a lower number means that it restarted. Any other lower number may mean that, so a
snapshot is requested. If its last update is lost, nothing shows it.
"""
