"""Row digests see tokens and repetition, and neither order nor pads."""

import hashlib
import struct

import numpy as np

from sequitur.shards.digest import add_digests, row_digest_sum

IDS = np.arange(20, dtype=np.uint32).reshape(5, 4)
LENGTHS = np.array([4, 4, 4, 4, 2], np.uint32)


def digest_plainly(rows: list[list[int]]) -> str:
    total = 0
    for row in rows:
        packed = struct.pack(f"<{len(row) + 1}I", len(row), *row)
        total += int.from_bytes(hashlib.blake2b(packed, digest_size=16).digest(), "little")
    return f"{total % 2**128:032x}"


def test_equals_the_definition() -> None:
    rows = [row[:length] for row, length in zip(IDS.tolist(), LENGTHS.tolist(), strict=True)]
    assert row_digest_sum(IDS, LENGTHS) == digest_plainly(rows)


def test_order_and_pads_do_not_matter() -> None:
    shuffled = IDS[::-1].copy()
    shuffled[0, 2:] = 99
    assert row_digest_sum(shuffled, LENGTHS[::-1]) == row_digest_sum(IDS, LENGTHS)


def test_a_repeated_row_matters() -> None:
    assert row_digest_sum(np.repeat(IDS, 2, axis=0), np.repeat(LENGTHS, 2)) != row_digest_sum(IDS, LENGTHS)


def test_digests_of_parts_add_up() -> None:
    parts = [row_digest_sum(IDS[:3], LENGTHS[:3]), row_digest_sum(IDS[3:], LENGTHS[3:])]
    assert add_digests(parts) == row_digest_sum(IDS, LENGTHS)
    assert add_digests([]) == "0" * 32
