"""A coverage-guided fuzzer for everything that reads bytes from outside; run by hand.

It needs ``pip install atheris``, which the tests do not. From the project's folder::

    python tests/fuzz_decoder.py -max_total_time=60 -max_len=4096

ends without a finding after a minute. Any exception but ours, and any input that takes longer than
``-timeout`` seconds, is a finding: its input is written to a file ``crash-…``, and
``python tests/fuzz_decoder.py crash-…`` shows it again.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import atheris
import msgspec
from msgspec import Raw

sys.path.insert(0, str(Path(__file__).parent.parent))

with atheris.instrument_imports(include=["sf_actors"]):
    from sf_actors.errors import SfActorsError
    from sf_actors.schema.schema import Schema
    from sf_actors.wire import envelope, parts, snapshots, topic

if TYPE_CHECKING:
    from collections.abc import Callable

FIELDS: dict[str, Any] = {
    "n": int,
    "x": float,
    "price": Decimal,
    "id": UUID,
    "at": datetime,
    "rows": [{"name": str, "sizes": (int, float)}],
    "book": {Decimal: Decimal},
    "names": {str},
    "any": object,
    "some": int | None,
}

DECODERS: list[Callable[[bytes], Any]] = [
    envelope.decode_request,
    envelope.decode_reply,
    envelope.decode_published,
    envelope.decode_delta,
    lambda data: snapshots.decode_fill(Raw(data)),
    envelope.decode_snapshot_request,
    envelope.decode_snapshot_reply,
    lambda data: parts.decode_pieces(envelope.decode_snapshot_reply(data)),
    lambda data: parts.limit_of(envelope.decode_snapshot_request(data)),
    topic.payload,
]


def try_all(data: bytes) -> None:
    """Read bytes as each kind of message, and as the fields of a model."""
    for decode in [*DECODERS, *MODELLED]:
        try:
            message = decode(data)
        except SfActorsError as error:
            # what goes into the log and to the peer is made of the same bytes
            str(error)
        else:
            pass_on(getattr(message, "workflow_id", None))


def pass_on(workflow_id: object) -> None:
    """Log the id of a message that was read, and answer under it: the other side gets the same."""
    answer = envelope.encode_reply({}, workflow_id)
    repr(workflow_id)
    # not what is read: a NaN in it differs from itself
    assert envelope.encode_reply({}, envelope.decode_reply(answer).workflow_id) == answer


#: A timestamp of a year that Python does not have.
BEYOND = b"\xc7\x0c\xff" + bytes(4) + (2**62).to_bytes(8, "big")

SCHEMA = Schema({}, FIELDS, where="fuzz")
MODELLED: list[Callable[[bytes], Any]] = [SCHEMA.decoded]


def main() -> None:
    """Fuzz until told otherwise by the options of libFuzzer."""
    corpus = [
        envelope.encode_request({"n": 1, "price": "1.5"}, "w", "r"),
        envelope.encode_reply({"n": 1}, 7),
        envelope.encode_reply({}, [datetime.now(UTC), {"a": msgspec.Raw(BEYOND)}]),
        envelope.encode_reply({}, msgspec.msgpack.Ext(5, b"x")),
        envelope.encode_failure("KeyError", "'x'", None),
        topic.pack("eur") + envelope.encode_published({"n": 1}, "w", 5, 6),
        envelope.encode_heartbeat(5, 6, b"digest"),
        envelope.encode_snapshot_request(3, epoch=5, after=6),
        envelope.encode(
            {"n": 1, "x": 0.5, "price": "1", "book": {"1": "2"}, "rows": [], "names": ["a"]}
        ),
    ]
    with tempfile.TemporaryDirectory() as folder:
        for number, frame in enumerate(corpus):
            (Path(folder) / str(number)).write_bytes(frame)
        is_one_input = any(not argument.startswith("-") for argument in sys.argv[1:])
        atheris.Setup(sys.argv if is_one_input else [*sys.argv, folder], try_all)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
