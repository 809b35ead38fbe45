"""A state and its replicas, as state machines without threads, sockets or clocks.

A publisher counts its updates from 0 and has an epoch, which its owner takes from the wall clock
when it starts: of two epochs, the larger is the later run. It sends each update once, as a delta.
Each heartbeat carries the last count (the head) and, with `digest`, a digest of the value. On
request the publisher sends a snapshot, or the deltas since a count. The number of an update is its
count, or any integer that the publisher's caller gives: then messages carry both, and replicas
order updates by the count and show the number.

A replica is SYNCING, LIVE or STALE. It buffers deltas that it cannot apply yet. "Ask" sends one
request with a token. "Behind" means that the head is above the value's count, that the followed
epoch is not the value's, that the publisher is loading, or that the value is in doubt. A publisher
is "on air" if the subscription has brought a message of it within `stale_after_s`.

========================================== ============= ===========================================
event                                      phase         what happens
========================================== ============= ===========================================
start                                      (none)        SYNCING; Ask after a heartbeat at most
first message on the subscription          SYNCING       Ask: nothing after it can be missed
delta, the next count                      LIVE, STALE   applied; LIVE
delta, a count the value has               any           dropped, counted in `duplicates`
delta, a later count                       LIVE, STALE   buffered, counted in `gaps`; SYNCING, Ask
delta, the next count, but the caller's    LIVE, STALE   not applied, counted in `skipped`; its
number is not above the value's                          count is the value's; LIVE
delta, the next count, but the caller's    LIVE, STALE   not applied, counted in `gaps`; SYNCING,
number leaves some out                                   Ask for a snapshot
whole value, the next count                LIVE, STALE   applied, whatever its number is; LIVE
delta, not the next count                  SYNCING       buffered
delta that fills the gap                   SYNCING       applied, then the buffer; LIVE
delta that cannot be applied               any           value unchanged; SYNCING, Ask for a
                                                         snapshot
the same count fails after a snapshot      SYNCING       `error` in the status; no Ask until a
                                                         higher count is heard
heartbeat, head is the value's count       LIVE, STALE   LIVE, without a snapshot
heartbeat, head above it                   LIVE, STALE   counted in `gaps`; SYNCING, Ask
heartbeat with another digest              LIVE, STALE   SYNCING, Ask for a snapshot; twice in a
                                                         row: `error` in the status, digests are
                                                         no longer compared
heartbeat or answer: it is loading         any           value kept; SYNCING, Ask after a heartbeat
                                                         at least; only an answer is believed of a
                                                         publisher that has loaded in this run
delta, or heartbeat without that           SYNCING       loading ends; Ask
message of a larger epoch than all those   any           followed: SYNCING, buffer dropped, Ask
on air, the followed one included
message of a smaller epoch than one on air any           dropped, counted in `late`; later than a
                                                         heartbeat after the followed one was
                                                         first heard: `error`, two publishers
message of any epoch, no other on air      any           followed: SYNCING, buffer dropped, Ask
snapshot, not older than the value         SYNCING       taken, then the buffer; LIVE, or still
                                                         behind and Ask again
snapshot, older than the value             SYNCING       dropped; Ask again
snapshot of a model without a required     SYNCING       dropped, `error`; Ask again, later
field
second answer in a row that ends below     SYNCING       the higher counts were false: forgotten,
the head as it was when asked for                        with the whole buffer; LIVE
deltas since the value's count             SYNCING       applied as if heard; LIVE or Ask again
answer of another epoch, which is on air,  SYNCING       that epoch is followed, answer taken; if
or no epoch is                                           it is the smaller one, the larger is
                                                         false: dropped while another is on air
answer of another epoch, not on air        SYNCING       dropped; Ask again, at most a heartbeat
                                                         later; twice in a row: `error`
answer to a forgotten request              any           dropped, counted in `late`
answer that is unreadable or an error,     SYNCING       `error` in the status; Ask again, later
or lacks a part
no answer within the deadline              SYNCING       Ask again; a late answer is still taken
no answer at all for `stale_after_s`       SYNCING,      `error` in the status
                                           STALE
a part of an answer comes, or a piece of   SYNCING       no Ask until the next heartbeat at least
it is read
buffer full                                SYNCING       emptied; the answer is then too old: Ask
                                                         again
nothing heard for `stale_after_s`          SYNCING, LIVE STALE, once there was a value; a status
                                                         says so at that moment
any sign of life                           STALE         LIVE, or SYNCING when behind
========================================== ============= ===========================================

One request is under way at a time. Its deadline is a heartbeat, at least 1 s. The first Ask after
a calm heartbeat goes out at once. Further ones wait, each twice as long, up to half a heartbeat
(eight while nothing is heard); each pause is shortened at random by up to a half.

Heartbeats and answers carry the interval of the heartbeats. The `stale_after_s` in force is at
least twice that; once an answer has given it, heartbeats no longer change it. `error` ends when the
replica is LIVE, except for two publishers and differing digests, which it reports while LIVE too.

Answers decide whether a larger epoch is true, because any peer on the publisher's bus can send one.
A replica forgets its requests when it follows another epoch, so a publisher that answers was alive
after that. An answer alone is not enough: the snapshot address may be that of another state.

A peer without epochs (the original's publisher, or plain sockets) has the epoch None, which is
smaller than all others, no heartbeats, and no counts: its numbers order its updates.

========================================== ============= ===========================================
event                                      phase         what happens
========================================== ============= ===========================================
whole value, a number above those heard    LIVE, STALE   applied, a gap counted; LIVE
whole value, any other number              once synced   applied, buffer dropped; LIVE: it counts
                                                         from its own number on
delta, a number not above those heard      any           counted in `skipped` if the value has it;
                                                         the publisher may have been restarted:
                                                         SYNCING, buffer dropped, Ask
delta, a number that the last snapshot has any           dropped, counted in `duplicates`; such
overtaken                                                numbers follow the last one heard, or come
                                                         within a heartbeat of the snapshot
snapshot, number 0                         SYNCING       the original gives all its snapshots this
                                                         number: taken as containing everything
                                                         heard before the request
snapshot, another number                   SYNCING       taken at its number, even a lower one if a
                                                         low number was heard; else two in a row
========================================== ============= ===========================================

If the last update of such a peer is lost, nothing shows it; nor is a restart visible whose first
number happens to be the next one.
"""
