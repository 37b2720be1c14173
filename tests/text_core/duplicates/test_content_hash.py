import numpy as np
import pyarrow as pa
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.text_core.duplicates.content_hash import content_hashes
from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.units.unicode import CODE_POINTS, unicode_tables


def digests_of(*texts: str) -> list[bytes]:
    hashes = content_hashes(from_arrow(pa.array(texts, pa.large_string())))
    assert (hashes.dtype, hashes.shape) == (np.uint8, (len(texts), 16))
    return [row.tobytes() for row in hashes]


def normalized(text: str) -> str:
    folded = unicode_tables().folded
    return "".join(chr(folded[ord(character)]) for character in " ".join(text.split()))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(alphabet=st.one_of(st.characters(codec="utf-8"), st.sampled_from(" \n\u3000aAȺ"))), max_size=5))
def test_hash_is_xxh3_128_of_the_normalized_text(texts):
    assert digests_of(*texts) == [xxhash.xxh3_128_digest(normalized(text).encode()) for text in texts]


def test_case_and_white_space_do_not_count_but_words_do():
    same = digests_of("The cat sat", " the\n\tCAT\u00a0 sat\r\n", "THE CAT SAT")
    assert len(set(same)) == 1
    assert len(set(digests_of("the cat sat", "the cats at", "thecatsat", "the cat sat."))) == 4


def test_a_character_widened_by_folding_fits():
    folded = unicode_tables().folded
    grown = [
        c
        for c in range(CODE_POINTS)
        if len(chr(folded[c]).encode("utf-8", "surrogatepass")) > len(chr(c).encode("utf-8", "surrogatepass"))
    ]
    text = chr(grown[0]) * 1000
    assert digests_of(text) == [xxhash.xxh3_128_digest(normalized(text).encode())]


def test_stray_bytes_fit():
    binary = pa.array([b"\xff" * 1000], pa.large_binary())
    strings = from_arrow(pa.Array.from_buffers(pa.large_string(), 1, binary.buffers()))
    assert content_hashes(strings)[0].tobytes() == xxhash.xxh3_128_digest("\ufffd".encode() * 1000)
