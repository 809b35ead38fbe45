from __future__ import annotations

import msgpack
import pytest

from sf_actors.wire.msgpack import array_header, count_of, is_array, is_map, items_of, map_header


@pytest.mark.parametrize("count", [0, 1, 15, 16, 255, 256, 65_535, 65_536, 100_000])
def test_headers_are_those_of_messagepack(count: int) -> None:
    mapping, array = msgpack.packb(dict.fromkeys(range(count))), msgpack.packb([None] * count)
    assert mapping.startswith(map_header(count))
    assert array.startswith(array_header(count))
    assert (count_of(mapping), count_of(array)) == (count, count)
    assert (is_map(mapping[0]), is_array(mapping[0])) == (True, False)
    assert (is_map(array[0]), is_array(array[0])) == (False, True)


@pytest.mark.parametrize("packed", [b"", b"\xc0", b"\xa1x", b"\xde\x00", b"\xdf\x00\x00\x00"])
def test_what_is_no_container_has_no_count(packed: bytes) -> None:
    with pytest.raises(ValueError, match="expected a map or an array"):
        count_of(packed)


@pytest.mark.parametrize("count", [1, 10, 300, 70_000])
def test_the_items_of_a_map_are_its_keys_and_values_in_turn(count: int) -> None:
    items = items_of(msgpack.packb({n: [n] for n in range(count)}))
    assert [msgpack.unpackb(bytes(item)) for item in items[:4]] == [0, [0], 1, [1]][: 2 * count]
    assert len(items) == 2 * count


def test_a_key_that_stands_twice_is_there_twice() -> None:
    assert list(map(bytes, items_of(b"\x82\x01\xc0\x01\xc2"))) == [
        b"\x01",
        b"\xc0",
        b"\x01",
        b"\xc2",
    ]


@pytest.mark.parametrize("packed", [b"\xdf\xff\xff\xff\xff", b"\xde\xff\xff\x00", b"\x81\x00"])
def test_a_map_with_fewer_bytes_than_items_is_refused(packed: bytes) -> None:
    with pytest.raises(ValueError, match=r"expected a map|truncated|malformed"):
        items_of(packed)
