"""The frames around a request: who is to get the reply (ZeroMQ RFC 28)."""

from __future__ import annotations

from sf_actors.errors import Undecodable

#: Frames that proxies may put before the empty one, the sender's own address included.
MAX_ADDRESS_FRAMES = 16


def split_address(frames: list[bytes]) -> tuple[list[bytes], bytes]:
    """Part the address, up to and with the empty frame, from the one frame behind it.

    :raises Undecodable: there is no empty frame, or not one frame behind it
    """
    if len(frames) == 3 and not frames[1]:
        return frames[:2], frames[2]
    if b"" not in frames[1:MAX_ADDRESS_FRAMES]:
        raise Undecodable("expected an empty frame before the request, there is none")
    end = frames.index(b"", 1) + 1
    if len(frames) != end + 1:
        raise Undecodable(f"expected one frame after the empty one, got {len(frames) - end}")
    return frames[:end], frames[end]
