"""Messages for every kind of socket: valid ones, damaged ones, and random bytes."""

from __future__ import annotations

from hypothesis import strategies as st

from sf_actors.wire import envelope, parts, snapshots
from sf_actors.wire.topic import pack

N = {"n": int}
BOOK = {"n": int, "levels": {str: float}}
QUICK = {"heartbeat_s": 0.2, "stale_after_s": 2.0}

VALID = [
    envelope.encode_request({"n": 1}, "w", "r"),
    envelope.encode_request({}, None),
    envelope.encode_request({"n": 1}, "w", "r", 5.0, {5: 6}),
    envelope.encode_reply({"n": 1}, 7),
    envelope.encode_reply({"n": 1}, 7, {5: 6}),
    envelope.encode_failure("KeyError", "'x'", None),
    pack("eur") + envelope.encode_published({"n": 1}, "w", 5, 6),
    envelope.encode_published({"n": 1, "levels": {"a": 0.5}}, "w", 5, 6),
    envelope.encode_delta(3, False, envelope.encode({"n": 1}), "w", 5),
    envelope.encode_delta(4, True, envelope.encode({"n": 1, "levels": {}}), "w", 5),
    envelope.encode_heartbeat(5, 6, b"digest"),
    envelope.encode_snapshot_request(3, epoch=5, after=6),
    snapshots.encode_snapshot_reply(envelope.encode({"n": 1, "levels": {}}), 3, 1, epoch=5),
    snapshots.encode_fill([envelope.encode_delta(1, False, {"n": 1}, "w", 5)], 1, epoch=5),
    snapshots.encode_snapshot_reply(
        envelope.encode({"n": 1, "levels": {}}), 3, 1, epoch=5, cuts=[envelope.Cut((), 1, 4, 1)]
    ),
    envelope.encode_snapshot_request(3, max_message_bytes=5_000),
    parts.encode_first_part(
        parts.Version(5, 3, None), 1, 2, 5_000, interval_s=0.2, fields=["n", "levels"]
    ),
    parts.encode_part(parts.Version(5, 3, None), 1, 1, 2, [envelope.encode({"n": 1})]),
    b"\x81\xa4args\x81\xa1n" + b"\x91" * 1000,
    b"\xdf\xff\xff\xff\xff\xa1a",
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid message with some bytes changed, removed, doubled or inserted."""
    frame = bytearray(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(frame)))
        change = draw(st.sampled_from(["set", "insert", "cut", "double", "truncate"]))
        if change == "set" and at < len(frame):
            frame[at] = draw(st.integers(0, 255))
        elif change == "insert":
            frame[at:at] = draw(st.binary(max_size=6))
        elif change == "cut":
            del frame[at : at + draw(st.integers(1, 4))]
        elif change == "double":
            frame[at:at] = frame[at : at + 8]
        else:
            del frame[at:]
    return bytes(frame)


FRAMES = st.binary(max_size=120) | mutated()
