"""Frames: reading them, and who is to get the reply to a request (ZeroMQ RFC 28)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import zmq
import zmq.backend

from sf_actors.errors import Undecodable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sf_actors.counters import Counters
    from sf_actors.sockets.transport import Socket

# Plain integers and libzmq's own calls: pyzmq's enums and its wrappers cost more than the calls.
NOBLOCK: Final = int(zmq.NOBLOCK)
NOBLOCK_SNDMORE: Final = int(zmq.NOBLOCK) | int(zmq.SNDMORE)
POLLIN: Final = int(zmq.POLLIN)
#: Sends one frame: of a socket, the bytes, and flags.
send_frame: Final = zmq.backend.Socket.send
#: Reads one frame: of a socket, flags, and whether it is copied at once.
receive_frame: Final = zmq.backend.Socket.recv

#: Messages that are read before an actor looks at its inbox again.
BATCH: Final = 200

#: Frames that proxies may put before the empty one, the sender's own address included.
MAX_ADDRESS_FRAMES = 16

#: Bytes of the id by which a ROUTER knows a peer (ZMTP 3.1, "identity").
MAX_ROUTING_ID = 255

#: Frames of one message that are kept; more than any that can be taken.
MAX_FRAMES = 2 * MAX_ADDRESS_FRAMES


def receive_frames(socket: Socket, addresses: int = 0) -> list[bytes]:
    """Read one message, of one with far too many frames the first ones; HOT.

    A frame that is not copied at once knows whether another follows; to ask the socket costs more.

    :param addresses: how many the socket puts before each message: one if it is a ROUTER
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
    socket: Socket, address: Sequence[bytes], answer: bytes, counters: Counters
) -> bool:
    """Send an answer through a ROUTER socket, or count that nobody can take it; HOT.

    :param address: the frames that lead back to who asked, up to the empty one
    :returns: whether it was sent
    """
    try:
        for part in address:
            send_frame(socket, part, NOBLOCK_SNDMORE)
        send_frame(socket, answer, NOBLOCK)
    except zmq.Again:
        counters.drop("queue_full")
    except zmq.ZMQError as error:
        if error.errno != zmq.EHOSTUNREACH:
            raise
        counters.drop("peer_gone")
    else:
        return True
    return False


def require_short_id(routing_id: bytes) -> None:
    """Refuse a peer that names itself longer than ZMTP allows: each of its messages has the name.

    :raises Undecodable: it does
    """
    if len(routing_id) > MAX_ROUTING_ID:
        raise Undecodable(
            f"expected a routing id of at most {MAX_ROUTING_ID} bytes, got {len(routing_id)}"
        )


def split_address(frames: list[bytes]) -> tuple[list[bytes], bytes]:
    """Part the address, up to and with the empty frame, from the one frame behind it.

    :raises Undecodable: there is no empty frame, or not one frame behind it
    """
    if b"" not in frames[1:MAX_ADDRESS_FRAMES]:
        raise Undecodable("expected an empty frame before the request, there is none")
    end = frames.index(b"", 1) + 1
    if len(frames) != end + 1:
        raise Undecodable(f"expected one frame after the empty one, got {len(frames) - end}")
    return frames[:end], frames[end]
