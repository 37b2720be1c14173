"""Compressed files are read whole or end in an error that names them."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
import zstandard

from sequitur.pipeline.errors import InputError
from sequitur.stages.shared.sources.compression import Limits, compression_in, reading

LIMITS = Limits(record=200, decompressed=10**7)
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": zstandard.compress,
    ".xz": lzma.compress,
    ".lz4": lambda content: bytes(pa.compress(content, codec="lz4", asbytes=True)),
    ".br": lambda content: bytes(pa.compress(content, codec="brotli", asbytes=True)),
}


def read(path: Path, limits: Limits = LIMITS) -> bytes:
    with reading(str(path), limits) as file:
        return file.read()


@pytest.mark.parametrize("ending", COMPRESS)
def test_a_compressed_file_is_read_whole_and_several_streams_in_a_row(tmp_path: Path, ending: str) -> None:
    content = bytes(range(256)) * 5000
    path = tmp_path / f"a.jsonl{ending}"
    path.write_bytes(COMPRESS[ending](content) + COMPRESS[ending](b"") + COMPRESS[ending](b"end"))
    assert read(path) == content + b"end"


@pytest.mark.parametrize("ending", COMPRESS)
@pytest.mark.parametrize("keep", [0.05, 0.5, 0.999])
def test_a_truncated_stream_is_an_error_that_names_the_file(tmp_path: Path, ending: str, keep: float) -> None:
    whole = COMPRESS[ending](b"".join(b"%d\n" % (number**3) for number in range(20_000)))
    path = tmp_path / f"a.jsonl{ending}"
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(InputError, match=rf"a\.jsonl\{ending}: the \{ending} stream ends early"):
        read(path)


@pytest.mark.parametrize("ending", COMPRESS)
def test_bytes_after_the_last_stream_are_damage(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.jsonl{ending}"
    path.write_bytes(COMPRESS[ending](b"content") + b"no stream of any kind")
    with pytest.raises(InputError, match=rf"a\.jsonl\{ending}: the \{ending} stream is damaged"):
        read(path)


@pytest.mark.parametrize("ending", sorted(set(COMPRESS) - {".lz4"}))  # Arrow writes LZ4 without checksums
def test_a_damaged_stream_is_an_error_that_names_the_file(tmp_path: Path, ending: str) -> None:
    content = bytearray(COMPRESS[ending](b"".join(b"%d\n" % (number**3) for number in range(20_000))))
    content[len(content) // 2 : len(content) // 2 + 8] = b"\xff" * 8
    path = tmp_path / f"a.jsonl{ending}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.jsonl\{ending}: the \{ending} stream (is damaged|ends early)"):
        read(path)


@pytest.mark.parametrize("ending", COMPRESS)
def test_a_bomb_ends_at_the_limit(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.jsonl{ending}"
    path.write_bytes(COMPRESS[ending](b"\0" * 2**25))
    with pytest.raises(InputError, match=r"unpacks to more than 10,000,000 bytes.*ingest.max_decompressed_bytes"):
        read(path)


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.jsonl: No such file"):
        read(tmp_path / "nothing.jsonl")


@pytest.mark.parametrize("ending", COMPRESS)
def test_an_empty_file_is_a_truncated_stream(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.jsonl{ending}"
    path.touch()
    with pytest.raises(InputError, match=rf"the \{ending} stream ends early"):
        read(path)


def test_a_window_that_is_too_large_is_told_with_its_size(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.zst"
    long = zstandard.ZstdCompressionParameters.from_level(3, window_log=28, enable_ldm=True)
    stream = zstandard.ZstdCompressor(compression_params=long).compressobj()
    path.write_bytes(stream.compress(b"content") + stream.flush())
    with pytest.raises(InputError, match=r"needs a window of 268,435,456 bytes; set ingest.max_window_bytes"):
        read(path)
    assert read(path, Limits(200, 10**7, 2**28)) == b"content"


def test_a_window_that_no_zstd_stream_may_have_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(zstandard.MAGIC_NUMBER.to_bytes(4, "little") + b"\x00\xf8" + b"\xff" * 50)
    with pytest.raises(InputError, match=r"a\.jsonl\.zst: needs a window of more than"):
        read(path)


def test_an_xz_window_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.xz"
    path.write_bytes(lzma.compress(b"content", preset=9))  # a dictionary of 64 MiB
    with pytest.raises(InputError, match=r"needs a window of more than 1,048,576 bytes; set ingest.max_window_bytes"):
        read(path, Limits(200, 10**7, 2**20))
    assert read(path) == b"content"


@pytest.mark.parametrize("ending", sorted(set(COMPRESS) - {".br"}))  # a Brotli stream begins with any byte
def test_first_bytes_tell_the_compression_where_the_name_does_not(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(COMPRESS[ending](b"content"))
    assert (compression_in(str(path)), read(path)) == (ending, b"content")
    path.write_bytes(b"content")
    assert (compression_in(str(path)), read(path)) == (None, b"content")
