"""One row of shards elsewhere is shown as here, by the bytes that it needs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from example_dataset import write_dataset
from fsspec.implementations.memory import MemoryFileSystem

from sequitur.command_line import row_copies

Sequitur = Callable[..., Any]
URL = "memory://elsewhere/shards"


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "here").root


@pytest.fixture
def fetched(shards: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, int]]]:
    """The shards are elsewhere, too; how many bytes of which files were fetched."""
    fs = fsspec.filesystem("memory")
    fs.put(str(shards), URL, recursive=True)
    found: list[tuple[str, int]] = []
    fetch = MemoryFileSystem.cat_file

    def noting(self: MemoryFileSystem, path: str, start: int | None = None, end: int | None = None) -> bytes:
        content: bytes = fetch(self, path, start, end)
        found.append((path, len(content)))
        return content

    monkeypatch.setattr(MemoryFileSystem, "cat_file", noting)
    yield found
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]


@pytest.mark.parametrize("footer", [8, 2**16])
@pytest.mark.parametrize("arguments", [(), ("--context", 3), ("--context", 1, "--split", "val"), ("--full-text",)])
def test_it_is_shown_as_here(
    sequitur: Sequitur,
    shards: Path,
    fetched: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[object, ...],
    footer: int,
) -> None:
    monkeypatch.setattr(row_copies, "FOOTER_BYTES", footer)
    here = sequitur("show", shards, *arguments, "--json")
    for url in (URL, "memory://elsewhere"):
        there = sequitur("show", url, *arguments, "--json")
        assert (there.code, there.out) == (0, here.out), there.err
        assert there.err.startswith("read ")
        assert there.err.endswith(f" of {URL}\n")
    shown = [path for path, size in fetched if path.endswith(".arrow") and size]
    assert len(set(shown)) == 1


@pytest.mark.parametrize("arguments", [("--context", 10**6), ("--split", "none")])
def test_what_is_not_there_is_refused_as_here(
    sequitur: Sequitur, shards: Path, fetched: list[tuple[str, int]], arguments: tuple[object, ...]
) -> None:
    here, there = (sequitur("show", root, *arguments) for root in (shards, URL))
    assert there.code == here.code == 1
    assert there.err.splitlines()[-1] == here.err.splitlines()[-1].replace(str(shards), URL)


def test_a_batch_that_is_damaged_there_is_named(sequitur: Sequitur, fetched: list[tuple[str, int]]) -> None:
    fs = fsspec.filesystem("memory")
    (shard,) = {path for path in fs.find("/elsewhere/shards/train") if path.endswith(".arrow")} & {
        path for path in fs.find("/elsewhere/shards") if "00000-of" in path
    }
    content = bytearray(fs.cat_file(shard))
    content[len(content) // 2] ^= 1
    fs.pipe_file(shard, bytes(content))
    ended = [sequitur("show", URL, "--context", row) for row in range(4)]
    assert any(one.code == 1 and "CRC" in one.err for one in ended), [one.err for one in ended]
