"""Whole conversations of raw peers that mean ill, each made by its seed alone."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal, NamedTuple

from tests.security import zmtp
from tests.security.malice import payload
from tests.support.bare_sockets import packed

#: The routing ids of an honest peer, and of peers that mean ill.
HONEST_ID = b"honest"
TAKEN_IDS = [HONEST_ID, *(b"peer-%d" % number for number in range(8))]

#: The number in messages of peers that speak a ZMTP which is refused, a browser's among them.
FORBIDDEN = 666_666

#: Sockets of the service whose ids a peer that knows libzmq can tell beforehand.
SOCKETS_GUESSED = 6

#: What each kind of socket expects on the other side.
PARTNERS = {
    "ROUTER": ("REQ", "DEALER", "ROUTER"),
    "SUB": ("PUB", "XPUB"),
    "XPUB": ("SUB", "XSUB"),
}

#: What has come from the other side, in bytes, when it greets, and when it is ready: a peer that
#: goes on before is refused.
GREETING_HEARD = 10
READY_HEARD = 90

Ending = Literal["close", "reset", "shut down", "stay", "stay deaf"]


class Target(NamedTuple):
    """A socket of the service.

    :ivar kind: of the socket over there
    :ivar fitting: the kind of payload that it expects
    """

    name: str
    port: int
    kind: str
    fitting: str


class Chunk(NamedTuple):
    """What a peer writes at once.

    :ivar heard: how many bytes it must have heard before
    """

    content: bytes
    heard: int = 0


@dataclass(frozen=True)
class Conversation:
    """What one peer does, from its connection to its end.

    :ivar ending: "stay" goes on to read, "stay deaf" does not, until many others have come
    """

    label: str
    target: Target
    said: tuple[str, ...]
    pace: str
    chunks: tuple[Chunk, ...]
    ending: Ending

    def __str__(self) -> str:
        what = "; ".join(self.said)
        return f"{self.label} with {self.target.name}: {what}; {self.pace}, then {self.ending}"


_TAKEN = packed({"args": {"n": FORBIDDEN}})


class _Script:
    """A conversation as it is written."""

    def __init__(self, rng: random.Random, target: Target, number: int, *, keys: bool) -> None:
        self.rng = rng
        self.target = target
        self.number = number
        self.keys = keys
        self.said: list[str] = []
        self.chunks: list[bytes] = []
        self.is_versioned = True
        #: how many chunks are the handshake, and what the other side must have said before more
        self.opening = 0
        self.answer = 0

    def add(self, what: str, *chunks: bytes) -> None:
        self.said.append(what)
        self.chunks += chunks

    # the greeting

    def open(self) -> bool:
        """Greet; whether messages are to follow."""
        openings = {
            self._open_well: 70,
            self._open_mechanism: 70 if self.keys else 6,
            self._open_2: 5,
            self._open_1: 4,
            self._open_post: 4,
            self._open_garbage: 3,
            self._open_half: 3,
        }
        return self.rng.choices(list(openings), list(openings.values()))[0]()

    def _open_well(self) -> bool:
        version = self.rng.choice([(3, 0), (3, 0), (3, 1), (3, 1), (3, 255), (4, 0), (255, 255)])
        as_server = self.rng.random() < 0.05
        self.add(
            f"ZMTP {version[0]}.{version[1]}", zmtp.greeting(b"NULL", version, as_server=as_server)
        )
        self._say_ready()
        self.opening, self.answer = len(self.chunks), READY_HEARD
        return True

    def _open_mechanism(self) -> bool:
        rng = self.rng
        mechanism = rng.choice(
            [b"PLAIN", b"CURVE", b"GSSAPI", b"null", b"", b"NULLX", rng.randbytes(20)]
            + [b"CURVE"] * 9 * self.keys
        )
        as_server = rng.random() < 0.3
        self.add(f"mechanism {mechanism!r}", zmtp.greeting(mechanism, as_server=as_server))
        if rng.random() < 0.2:
            self._say_ready()
            return True
        name, body = rng.choice(
            [
                (b"HELLO", b"\x06honest\x06secret"),
                (b"HELLO", b"\xff" + rng.randbytes(3)),
                (b"HELLO", b"\1\0" + bytes(72) + rng.randbytes(120)),
                (b"HELLO", rng.randbytes(194)),
                (b"HELLO", rng.randbytes(rng.randrange(300))),
                (b"INITIATE", rng.randbytes(rng.randrange(400))),
                (b"INITIATE", zmtp.metadata([(b"Socket-Type", b"DEALER")])),
                (b"MESSAGE", rng.randbytes(40)),
                (b"WELCOME", rng.randbytes(168)),
                (b"ERROR", b"\xffshort"),
            ]
        )
        self.add(f"{name.decode()} of {len(body)} bytes", zmtp.command(name, body))
        if rng.random() < 0.3:
            self.add("INITIATE", zmtp.command(b"INITIATE", rng.randbytes(257)))
        return rng.random() < 0.3

    def _open_2(self) -> bool:
        kind = self._socket_type()
        if kind not in zmtp.TYPES:
            kind = "DEALER"
        self.add(f"ZMTP 2.0 as {kind}", zmtp.greeting_2(kind, self._identity() or b""))
        self._say_what_is_taken()
        return True

    def _open_1(self) -> bool:
        self.is_versioned = False
        identity = (self._identity() or b"")[: self.rng.choice([200, 20_000])]
        self.add(f"ZMTP 1.0 with {len(identity)} bytes of identity", zmtp.frame_1(identity))
        self._say_what_is_taken()
        return True

    def _open_post(self) -> bool:
        what, made = payload(self.rng, self.target.fitting)
        if self.rng.random() < 0.5:
            what, made = "what a handler would take", _TAKEN
        frames = zmtp.frame_1(b"", more=True) + zmtp.frame_1(made)
        self.add(f"a browser's POST: {what}", zmtp.cross_site_post(self.target.port, frames))
        return False

    def _open_garbage(self) -> bool:
        made = self.rng.randbytes(self.rng.choice([1, 9, 11, 64, 500, 20_000]))
        self.add(f"{len(made)} bytes of garbage", made)
        return False

    def _open_half(self) -> bool:
        whole = zmtp.greeting() + zmtp.ready("DEALER")
        length = self.rng.choice([0, 1, 9, 10, 11, 12, 31, 63, 64, 65, len(whole) - 1])
        self.add(f"{length} bytes of a greeting, and silence", whole[:length])
        return False

    # READY

    def _socket_type(self) -> str:
        rng = self.rng
        if rng.random() < 0.85:
            return rng.choice(PARTNERS[self.target.kind])
        return rng.choice([*zmtp.TYPES, "STREAM", "CLIENT", "", "dealer", "X" * 255])

    def _identity(self) -> bytes | None:
        rng = self.rng
        guessed = zmtp.ids_drawn_unseeded(SOCKETS_GUESSED)
        kinds: dict[str, float] = {"none": 8, "guess": 3, "taken": 2, "short": 3, "long": 1}
        kind = rng.choices(list(kinds), list(kinds.values()))[0]
        if kind == "none":
            return None
        if kind == "guess":
            # soon given by one of the sockets, if it began with what was to be expected
            given = int(self.number * rng.uniform(0.02, 0.06)) + rng.randrange(8)
            return zmtp.routing_id(rng.choice(guessed) + given)
        if kind == "taken":
            return rng.choice(TAKEN_IDS)
        if kind == "short":
            return rng.choice(
                [b"", b"\0", b"a", b"\0\0\0\0\0", b"\0abcd", b"\0" + rng.randbytes(4)]
            )
        return rng.choice([b"i" * 255, b"\0" * 255, b"i" * 256, b"i" * 16_000])

    def _say_ready(self) -> None:
        rng = self.rng
        kind, identity = self._socket_type(), self._identity()
        properties = [(b"Socket-Type", kind.encode())]
        if identity is not None:
            properties.append((b"Identity", identity))
        shown = "" if identity is None else f" named {identity[:12]!r} ({len(identity)} bytes)"
        what = f"READY of {kind or 'no type'}{shown}"
        oddity = rng.random()
        if oddity < 0.02:
            what, properties = f"{what}, without a type", properties[1:]
        elif oddity < 0.04:
            what = f"{what}, of two types"
            properties.append((b"socket-type", rng.choice([b"DEALER", b"PUB", b"SUB"])))
        elif oddity < 0.06:
            what = f"{what}, with two names"
            properties += [(b"Identity", b"other")] * 2
        elif oddity < 0.1:
            what = f"{what}, with properties that nobody knows"
            properties += [(b"X-%d" % at, rng.randbytes(at)) for at in range(rng.choice([1, 50]))]
            properties.append((b"User-Id", b"honest"))
        body = zmtp.metadata(properties)
        if oddity > 0.95:
            cut = rng.randrange(len(body))
            what, body = f"{what}, ending at {cut}", body[:cut]
        elif oddity > 0.93:
            what, body = f"{what}, with a length that lies", body[:-1] + b"\xff\xff\xff\xff\x01"
        if oddity > 0.98:
            self.add("no READY")
        else:
            self.add(what, zmtp.command(b"READY", body))

    # what follows

    def paced(self) -> tuple[str, list[Chunk]]:
        """Return how fast all is said, and the chunks of it."""
        pace = self.rng.random()
        opening, rest = self.chunks[: self.opening], b"".join(self.chunks[self.opening :])
        if pace < 0.1:
            return "at once", [Chunk(b"".join(self.chunks))]
        if pace < 0.7:
            return "by turns", [Chunk(b"".join(opening)), Chunk(rest, self.answer)]
        if pace < 0.9:
            heard = [0] + [GREETING_HEARD] * (len(opening) - 1)
            return "step by step", [*map(Chunk, opening, heard), Chunk(rest, self.answer)]
        if not opening:
            opening, rest = [rest[:130]], rest[130:]
        head = b"".join(opening)
        letters = [Chunk(head[at : at + 1]) for at in range(len(head))]
        return "byte by byte", [*letters, Chunk(rest, self.answer)]

    def speak(self) -> None:
        """Say one thing or several."""
        for _ in range(self.rng.choice([0, 1, 1, 1, 1, 2, 2, 3, 5])):
            oddity = self.rng.random()
            if oddity < 0.12:
                self._say_odd_frame()
            elif self.target.kind == "XPUB":
                self._subscribe()
            else:
                self._say_message()

    def _say_what_is_taken(self) -> None:
        parts = [b"", _TAKEN] if self.target.kind == "ROUTER" else [_TAKEN]
        self.add("what a handler would take", self._frames(parts))

    def _frames(self, parts: list[bytes]) -> bytes:
        if self.is_versioned:
            return zmtp.message(parts)
        last = len(parts) - 1
        return b"".join(zmtp.frame_1(part, more=at < last) for at, part in enumerate(parts))

    def _say_message(self) -> None:
        rng = self.rng
        what, made = payload(rng, self.target.fitting)
        shape, parts = "", [made]
        if self.target.kind == "ROUTER":
            shape, parts = rng.choices(
                [
                    ("", [b"", made]),
                    (" without a delimiter", [made]),
                    (" behind a route", [b"a", b"\0bcde", b"", made]),
                    (" in two frames", [b"", made, made]),
                    (" behind 2,000 frames", [b"x"] * 2_000 + [b"", made]),
                    (" behind a frame of 16,000 bytes", [bytes(16_000), b"", made]),
                    (", a delimiter alone", [b""]),
                ],
                [60, 3, 5, 3, 0.5, 1, 2],
            )[0]
        elif self.target.kind == "SUB":
            shape, parts = rng.choices(
                [
                    ("", [made]),
                    (" behind a topic", [b"\xa3eur" + made]),
                    (" in two frames", [b"eur", made]),
                    (" in 2,000 frames", [made[:20]] * 2_000),
                ],
                [60, 10, 5, 0.5],
            )[0]
        repeated = rng.choice([1] * 12 + [20] * (len(made) < 2_000) + [200] * (len(made) < 100))
        times = f" {repeated} times" if repeated > 1 else ""
        self.add(f"{what}{shape}{times}", self._frames(parts) * repeated)

    def _subscribe(self) -> None:
        rng = self.rng
        name, first = rng.choice([(b"SUBSCRIBE", b"\1"), (b"CANCEL", b"\0")])
        what, topics = rng.choices(
            [
                ("all", [b""]),
                ("a topic", [rng.randbytes(rng.randrange(1, 30))]),
                ("a topic of 500 bytes", [rng.randbytes(500)]),
                ("a topic of 3,000 bytes", [rng.randbytes(3_000)]),
                ("a topic 100 times", [b"same"] * 100),
                ("100 topics", [b"%d." % at + rng.randbytes(50) for at in range(100)]),
                ("3,000 topics", [b"%d." % at + rng.randbytes(50) for at in range(3_000)]),
            ],
            [10, 10, 3, 3, 3, 3, 0.5],
        )[0]
        if rng.random() < 0.5:
            made = b"".join(zmtp.command(name, topic) for topic in topics)
            self.add(f"{name.decode()} {what}", made)
        else:
            made = b"".join(self._frames([first + topic]) for topic in topics)
            self.add(f"{name.decode()} {what} by message", made)

    def _say_odd_frame(self) -> None:
        rng = self.rng
        body = rng.randbytes(rng.randrange(20))
        what, made = rng.choice(
            [
                ("MORE without end", zmtp.frame(b"x", more=True) * 1_000),
                ("a message without its last frame", zmtp.frame(b"", more=True)),
                ("empty messages", zmtp.frame(b"") * 100),
                ("2**63 - 1 bytes announced", zmtp.frame(body, announced=2**63 - 1)),
                ("2**64 - 1 bytes announced", zmtp.frame(body, announced=2**64 - 1)),
                ("50 MB announced", zmtp.frame(body, announced=50_000_000)),
                ("200 bytes announced", zmtp.frame(body, announced=200)),
                ("PONG", zmtp.command(b"PONG", body)),
                ("a second READY", zmtp.ready("DEALER", b"again")),
                ("ERROR", zmtp.command(b"ERROR", b"\x05sorry")),
                ("a command without a name", zmtp.frame(b"", is_command=True)),
                ("a command of a long name", zmtp.frame(b"\xffX", is_command=True)),
                ("flags that nobody knows", b"\xf8\x01x"),
                ("a long frame of 3 bytes", b"\2" + (3).to_bytes(8, "big") + b"abc"),
            ]
        )
        self.add(what, made)


def conversation(seed: str, number: int, targets: list[Target], *, keys: bool) -> Conversation:
    """Make a conversation.

    :param seed: of the whole run
    :param number: which of the run's this is; the two decide what it is
    :param keys: whether the service has keys
    """
    rng = random.Random(f"{seed}.{number}")
    target = rng.choice(targets)
    script = _Script(rng, target, number, keys=keys)
    if script.open():
        script.speak()
    pace, chunks = script.paced()
    endings: dict[Ending, int] = {"stay": 50, "stay deaf": 10, "close": 20, "reset": 10}
    endings["shut down"] = 10
    ending = rng.choices(list(endings), list(endings.values()))[0]
    return Conversation(
        f"conversation {number}",
        target,
        tuple(script.said),
        pace,
        tuple(chunk for chunk in chunks if chunk.content),
        ending,
    )
