"""Limits of the topics that peers may subscribe to at a publishing socket.

libzmq keeps a node for each byte of a topic, and walks through all of them when a peer leaves. It
accepts subscriptions before we can look at them, as long as more arrive. So strangers may have only
little under way, in small frames, which we handle faster than libzmq delivers them.
"""

from __future__ import annotations

from msgspec import Struct


class TopicLimits(Struct, frozen=True):
    """The limits at one socket. The model's own topic and its prefixes are always allowed.

    :ivar frame_bytes: longest frame that is read, besides the model's topic: a topic with its
        command, or a peer's metadata
    :ivar buffer_bytes: the kernel's buffer, whose content is read even after the connection ended
    :ivar peer_bytes: bytes of other topics that one peer may subscribe to
    :ivar all_bytes: bytes of other topics that all peers together may subscribe to
    """

    frame_bytes: int
    buffer_bytes: int
    peer_bytes: int
    all_bytes: int


OF_STRANGERS = TopicLimits(80, 2_048, 2**13, 2**14)
#: of peers with keys, whose handshakes are longer
OF_KEYED = TopicLimits(512, 32_768, 2**17, 2**19)
#: of a bus, which its publishers trust, and which brings the topics of all its subscribers
OF_BUS = TopicLimits(512, 32_768, 2**19, 2**19)


def topic_limits(*, is_of_bus: bool, has_keys: bool) -> TopicLimits:
    """Return the limits of a socket.

    :param is_of_bus: the socket connects to a bus
    :param has_keys: only peers with authorized keys are admitted
    """
    if is_of_bus:
        return OF_BUS
    return OF_KEYED if has_keys else OF_STRANGERS
