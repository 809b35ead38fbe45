"""Frames: reading them, and who is to get the reply to a request (ZeroMQ RFC 28)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import zmq
import zmq.backend

from sf_actors.errors import Undecodable

if TYPE_CHECKING:
    from sf_actors.actors.transport import Socket

# Plain integers and libzmq's own call: pyzmq's enums and its wrapper cost more than the call.
NOBLOCK: Final = int(zmq.NOBLOCK)
NOBLOCK_SNDMORE: Final = int(zmq.NOBLOCK) | int(zmq.SNDMORE)
POLLIN: Final = int(zmq.POLLIN)
_RCVMORE: Final = int(zmq.RCVMORE)
_option: Final = zmq.backend.Socket.get
#: Sends one frame: of a socket, the bytes, and flags.
send_frame: Final = zmq.backend.Socket.send

#: Frames that proxies may put before the empty one, the sender's own address included.
MAX_ADDRESS_FRAMES = 16

#: Frames of one message that are kept; more than any that can be taken.
MAX_FRAMES = 2 * MAX_ADDRESS_FRAMES


def receive_frames(socket: Socket) -> list[bytes]:
    """Read one message; of one with far too many frames the first ones.

    :raises zmq.Again: there is none
    """
    frames = [socket.recv(NOBLOCK)]
    while _option(socket, _RCVMORE):
        frame = socket.recv(NOBLOCK)
        if len(frames) <= MAX_FRAMES:
            frames.append(frame)
    return frames


def receive_request(socket: Socket) -> list[bytes]:
    """Read one message of a ROUTER socket, which always puts an address before it; HOT.

    :raises zmq.Again: there is none
    """
    receive = socket.recv
    frames = [receive(NOBLOCK), receive(NOBLOCK)]
    while _option(socket, _RCVMORE):
        frame = receive(NOBLOCK)
        if len(frames) <= MAX_FRAMES:
            frames.append(frame)
    return frames


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
