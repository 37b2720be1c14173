"""Lengths and pieces are those of the documents, wherever tokens lie, and no more is fetched than that takes."""

import uuid
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequitur.pipeline import builds, schemas
from sequitur.pipeline.errors import CorruptPart
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.columns import token_ranges
from sequitur.stages.shared.columns.token_ranges import document_lengths, read_pieces

LENGTHS = [[3, 0, 700, 41], [], [5000, 1, 1, 260, 33, 0]]
DAMAGED = "part-00000-0002.arrow"  # the last of these


def written(directory: Directory, parts: list[list[int]]) -> np.ndarray:
    """Documents of such lengths, part by part, each token its number; returns where they begin."""
    ends = np.cumsum([0, *(length for part in parts for length in part)])
    build, first = builds.begin(directory, "test"), 0
    for number, part in enumerate(parts):
        offsets = ends[first : first + len(part) + 1]
        values = pa.array(np.arange(offsets[0], offsets[-1], dtype=np.uint32))
        column = pa.LargeListArray.from_arrays(offsets - offsets[0], values)
        ordinals = pa.array(np.arange(first, first + len(part)))
        batch = pa.record_batch([ordinals, column], schema=schemas.TOKENS)
        builds.write_part(build, f"part-00000-{number:04}.arrow", batch, compress=False)
        first += len(part)
    builds.finish(build, {}, {}, {})
    return ends


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Directory:
    """Where whole files cannot be read."""
    directory = Directory(f"memory://{uuid.uuid4().hex}")
    written(directory, LENGTHS)
    monkeypatch.setattr(Directory, "buffer", None)
    monkeypatch.setattr(token_ranges, "AHEAD", 0)  # no part is small
    return directory


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of each range that is read."""
    found, read = list[int](), Directory.read_range

    def told(place: Directory, name: str, start: int, end: int) -> bytes:
        content = read(place, name, start, end)
        found.append(len(content))
        return content

    monkeypatch.setattr(Directory, "read_range", told)
    return found


@pytest.mark.parametrize(("before", "requests"), [(2**12, 2), (0, 4)])
def test_lengths_take_no_tokens(
    before: int, requests: int, elsewhere: Directory, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_ranges, "BEFORE_COLUMNS", before)  # of nothing, the schema is not there
    found = document_lengths(elsewhere)
    assert found.tolist() == [length for part in LENGTHS for length in part]
    assert found.dtype == np.int64
    assert len(asked) == requests
    assert sum(asked) < 10_000 or not before


@given(
    parts=st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=1, max_size=4),
    ahead=st.sampled_from([0, 200, 2**16]),
    data=st.data(),
)
def test_both_kinds_of_storage_hold_the_same(
    parts: list[list[int]], ahead: int, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    places = [Directory(str(tmp_path_factory.mktemp("tokens"))), Directory(f"memory://{uuid.uuid4().hex}")]
    lengths = [length for part in parts for length in part]
    documents = data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=8)) if lengths else []
    starts = [data.draw(st.integers(0, lengths[one])) for one in documents]
    counts = [data.draw(st.integers(0, lengths[one] - start)) for one, start in zip(documents, starts, strict=True)]
    pieces = [np.array(column, dtype=np.int64) for column in (documents, starts, counts)]
    for place in places:
        ends = written(place, parts)
        expected = [np.arange(count) + ends[one] + start for one, start, count in zip(*pieces, strict=True)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(token_ranges, "AHEAD", ahead)
            assert document_lengths(place).tolist() == lengths
            assert read_pieces(place, *pieces).tolist() == np.concatenate([np.empty(0), *expected]).tolist()


def test_a_small_part_is_fetched_whole(elsewhere: Directory, asked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    three = [np.array(column, dtype=np.int64) for column in ([4, 4, 4], [7, 1000, 0], [2, 3, 0])]
    assert read_pieces(elsewhere, *three).tolist() == [751, 752, 1744, 1745, 1746]
    assert asked[1:] == [8, 12]
    asked.clear()
    monkeypatch.setattr(token_ranges, "AHEAD", 8_000)  # three pieces take so many bytes
    assert read_pieces(elsewhere, *three).tolist() == [751, 752, 1744, 1745, 1746]
    assert len(asked) == 1


@pytest.mark.parametrize(("document", "start", "length"), [(0, 3, 1), (0, 0, 4), (4, -1, 1), (10, 0, 1), (2, 0, -1)])
def test_a_piece_that_is_not_there_is_an_error(document: int, start: int, length: int, elsewhere: Directory) -> None:
    with pytest.raises(IndexError):
        read_pieces(elsewhere, np.array([5, document]), np.array([0, start]), np.array([1, length]))


@pytest.mark.parametrize("offset", [2**40, 6000, -8])
def test_damaged_offsets_are_named(offset: int, elsewhere: Directory, tmp_path: Path) -> None:
    local = Directory(str(tmp_path / "tokens"))
    written(local, LENGTHS)
    for place in (elsewhere, local):
        (name,) = (name for name in place.files() if name.endswith(DAMAGED))
        content = bytearray(place.read_bytes(name))
        at = content.index(np.cumsum([0, *LENGTHS[2]]).tobytes())
        content[at + 8 * 3 : at + 8 * 4] = np.int64(offset).tobytes()
        place.write_bytes(name, bytes(content))
    with pytest.raises(CorruptPart, match=DAMAGED):
        document_lengths(elsewhere)
    with pytest.raises(CorruptPart, match=DAMAGED):
        read_pieces(elsewhere, np.array([5]), np.array([0]), np.array([1]))
    elsewhere.write_bytes(name, b"nothing of this")
    with pytest.raises(CorruptPart, match=DAMAGED):
        document_lengths(elsewhere)
