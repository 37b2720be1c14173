"""The gain against a decompressor that must be given the same dictionary, and against samples drawn again and again."""

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from sequitur.text_core.signals.in_context_gain import LEVEL, compressed_sizes, gain

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, 3_000_000, dtype=np.uint8).tobytes()


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_sizes_are_those_of_frames_that_decompress(context: list[bytes]) -> None:
    given_earlier = alone = 0
    for index in range(1, len(context)):
        earlier = zstandard.ZstdCompressionDict(b"".join(context[:index]), dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        frame = zstandard.ZstdCompressor(LEVEL, dict_data=earlier, write_content_size=False).compress(context[index])
        read = zstandard.ZstdDecompressor(dict_data=earlier).decompress(frame, max_output_size=1000)
        assert read == context[index]
        given_earlier += len(frame)
        alone += _alone(context[index])
    assert compressed_sizes(context) == (given_earlier, alone)


def _alone(document: bytes) -> int:
    return len(zstandard.ZstdCompressor(LEVEL, write_content_size=False).compress(document))


@pytest.mark.parametrize("size", [1_000, 30_000, 500_000, 3_000_000])
@pytest.mark.parametrize("length", [300, 20_000])
def test_the_first_bytes_of_long_contexts_are_still_seen(size: int, length: int) -> None:
    earlier, document = NOISE[:size], NOISE[: min(length, size)]

    known, alone = compressed_sizes([earlier[: size // 2], earlier[size // 2 :], document])

    unrelated = len(earlier) - size // 2  # of noise, that nothing before it helps with
    assert known < unrelated + 0.05 * len(document) + 200
    assert alone > unrelated + len(document)


def test_gain_of_one_context_is_its_ratio() -> None:
    found = gain(np.array([[30, 40]]))
    assert found.gain == pytest.approx(0.25)
    assert np.isnan(found.error)


def test_nothing_to_compress_is_nan() -> None:
    for sizes in (np.empty((0, 2), np.int64), np.zeros((3, 2), np.int64)):
        assert np.isnan(gain(sizes)).all()


def test_the_error_is_the_spread_of_samples() -> None:
    alone = RNG.integers(1, 1000, 20_000)
    contexts = np.stack([(alone * RNG.uniform(0.5, 1, alone.size)).astype(np.int64), alone], axis=1)
    samples = [gain(contexts[RNG.choice(len(contexts), 200, replace=False)]) for _ in range(300)]
    assert np.std([one.gain for one in samples]) == pytest.approx(np.mean([one.error for one in samples]), rel=0.15)
    assert np.mean([one.gain for one in samples]) == pytest.approx(gain(contexts).gain, abs=0.003)
