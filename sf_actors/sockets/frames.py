"""Frames: reads and sends them, and splits addresses from requests (ZeroMQ RFC 28).

The only file that touches pyzmq's private parts; a test names each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import zmq
import zmq.backend

from sf_actors.errors import Undecodable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sf_actors.counters import Counters

Socket = zmq.Socket[bytes]

# Plain integers and libzmq's calls: pyzmq's enums and wrappers cost more than the calls.
NOBLOCK: Final = int(zmq.NOBLOCK)
NOBLOCK_SNDMORE: Final = int(zmq.NOBLOCK) | int(zmq.SNDMORE)
POLLIN: Final = int(zmq.POLLIN)
#: libzmq's socket without pyzmq's Python wrapper.
BareSocket: Final = zmq.backend.Socket
#: Sends one frame: of a socket, the bytes, and flags.
send_frame: Final = BareSocket.send
#: Reads one frame: of a socket, flags, and whether it is copied at once.
receive_frame: Final = BareSocket.recv

#: In our own requests, the beginning of the frame before the empty one, which is the call's id.
CALL_ID: Final = b"sfa1"

#: In its place, notices of our replyers; a REQ socket skips them like any reply that it did not
#: ask for. It stops:
STOPPING: Final = CALL_ID + b"stopping"
#: It answers each request once, so that one that is alone on its connection needs no id:
ANSWERS_ONCE: Final = CALL_ID + b"answers once"

#: Messages that an actor reads before it checks its inbox again.
BATCH: Final = 200

#: Most address frames before the empty one: the sender's, and those of proxies.
MAX_ADDRESS_FRAMES = 16

#: Longest routing id of a peer, in bytes (ZMTP 3.1, "identity").
MAX_ROUTING_ID = 255

#: Frames kept of one message: more than any valid one has.
MAX_FRAMES = 2 * MAX_ADDRESS_FRAMES


def receive_frames(socket: Socket, addresses: int = 0) -> list[bytes]:
    """Read one message; if it has far too many frames, only the first ones; HOT.

    Frames are read uncopied, since they know if more follow; asking the socket costs more.

    :param addresses: frames that the socket puts before each message: one if it is a ROUTER
    :raises zmq.Again: there is none
    """
    frames = [receive_frame(socket, NOBLOCK)] if addresses else []
    while True:
        frame = receive_frame(socket, NOBLOCK, False)
        if len(frames) <= MAX_FRAMES:
            frames.append(frame.bytes)
        if not frame.more:
            return frames


def send_answer(
    socket: Socket,
    address: Sequence[bytes],
    answer: bytes,
    counters: Counters,
    *,
    is_counted: bool = True,
) -> None:
    """Send an answer through a ROUTER socket and count it, or count it as dropped; HOT.

    :param address: the frames that lead back to the requester, up to the empty one
    :param is_counted: an answer that is sent counts as `sent`
    """
    try:
        for part in address:
            send_frame(socket, part, NOBLOCK_SNDMORE)
        # before it leaves, so that its receiver finds it counted; the last frame is never refused
        counters.sent += is_counted
        send_frame(socket, answer, NOBLOCK)
    except zmq.Again:
        counters.drop("queue_full")
    except zmq.ZMQError as error:
        if error.errno != zmq.EHOSTUNREACH:
            raise
        counters.drop("peer_gone")


def split_request(frames: list[bytes]) -> tuple[list[bytes], bytes]:
    """Split the address of a request, including the empty frame, from the one frame after it; HOT.

    :raises Undecodable: it is not a request, or a routing id is too long
    """
    if len(frames[0]) > MAX_ROUTING_ID:
        require_short_id(frames[0])
    count = len(frames)
    # from a REQ socket, or from one of our requesters
    if (count == 3 and not frames[1]) or (count == 4 and frames[1] and not frames[2]):
        payload = frames.pop()
        return frames, payload
    return split_address(frames)


def require_short_id(routing_id: bytes) -> None:
    """Refuse a routing id longer than ZMTP allows, since every message of the peer carries it.

    :raises Undecodable: the id is too long
    """
    if len(routing_id) > MAX_ROUTING_ID:
        raise Undecodable(
            f"expected a routing id of at most {MAX_ROUTING_ID} bytes, got {len(routing_id)}"
        )


def split_address(frames: list[bytes]) -> tuple[list[bytes], bytes]:
    """Split the address, including the empty frame, from the one frame after it.

    :raises Undecodable: there is no empty frame, or not exactly one frame after it
    """
    if b"" not in frames[1:MAX_ADDRESS_FRAMES]:
        raise Undecodable("expected an empty frame before the request, there is none")
    end = frames.index(b"", 1) + 1
    if len(frames) != end + 1:
        raise Undecodable(f"expected one frame after the empty one, got {len(frames) - end}")
    return frames[:end], frames[end]
