"""The gain against a decompressor that must be given the same dictionary, and against samples drawn again and again."""

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from sequitur.text_core.signals.in_context_gain import LEVEL, QUICK, compressed_sizes, gain, quick_sizes

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
        found = gain(sizes)
        assert np.isnan(found[:2]).all()
        assert found.saved == 0


def test_the_error_is_the_spread_of_samples() -> None:
    alone = RNG.integers(1, 1000, 20_000)
    contexts = np.stack([(alone * RNG.uniform(0.5, 1, alone.size)).astype(np.int64), alone], axis=1)
    samples = [gain(contexts[RNG.choice(len(contexts), 200, replace=False)]) for _ in range(300)]
    assert np.std([one.gain for one in samples]) == pytest.approx(np.mean([one.error for one in samples]), rel=0.15)
    assert np.mean([one.gain for one in samples]) == pytest.approx(gain(contexts).gain, abs=0.003)


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_quick_sizes_are_those_of_one_stream_that_is_flushed(context: list[bytes]) -> None:
    given_earlier, alone = quick_sizes(context)

    stream = zstandard.ZstdCompressor(QUICK, write_content_size=False).compressobj()
    frame, before = b"", 0
    for number, document in enumerate(context):
        frame += stream.compress(document) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        before = before if number else len(frame)
    assert given_earlier == len(frame) - before
    by_itself = zstandard.ZstdCompressor(QUICK, write_content_size=False)
    assert alone == sum(len(by_itself.compress(document)) for document in context[1:])
    read = zstandard.ZstdDecompressor().decompressobj().decompress(frame) if frame else b""
    assert read == b"".join(context)


def test_what_the_quick_way_leaves_out_is_made_up_by_some() -> None:
    alone = RNG.integers(500, 1000, 20_000)
    given_earlier = (alone * RNG.uniform(0.5, 1, alone.size)).astype(np.int64)
    full = np.stack([given_earlier, alone], axis=1)
    noise = RNG.integers(-20, 20, full.shape)
    quick = np.stack([given_earlier * 12 // 10 + 30, alone * 13 // 10], axis=1) + noise
    found = []
    for _ in range(300):
        chosen = RNG.choice(len(full), 200, replace=False)
        some = np.arange(0, 200, 10)
        found.append(gain(full[chosen[some]], quick[chosen], some))
    expected = gain(full)
    assert np.mean([one.gain for one in found]) == pytest.approx(expected.gain, abs=0.003)
    assert np.mean([one.saved for one in found]) == pytest.approx(expected.saved, rel=0.03)
    spread, plain = np.std([one.gain for one in found]), expected.error * np.sqrt(len(full))
    assert spread == pytest.approx(np.mean([one.error for one in found]), rel=0.15)
    assert plain / np.sqrt(200) < spread < plain / np.sqrt(60)  # near that of all 200, far from that of 20


def test_of_all_contexts_the_quick_way_changes_nothing() -> None:
    full, quick = RNG.integers(1, 100, (2, 40, 2))
    assert gain(full, quick, np.arange(40)) == pytest.approx(gain(full))
