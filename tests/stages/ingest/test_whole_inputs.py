"""An edit anywhere in an input file is found, though a run is not refused for it."""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from sequitur.pipeline.builds import Build
from sequitur.pipeline.errors import CorruptPart
from sequitur.pipeline.jobs import Jobs
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.stage import Run
from sequitur.pipeline.storage import Directory
from sequitur.stages.ingest import whole_inputs
from sequitur.stages.ingest.stage import verify
from sequitur.stages.ingest.whole_inputs import (
    BLOCK_BYTES,
    INPUTS,
    Block,
    Digests,
    blocks_of,
    changed,
    first_rows,
    seen_in,
)
from sequitur.stages.shared.sources import input_paths

Execute = Callable[..., Run]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """One above the size of which the ends alone tell, one below, an empty one."""
    paths = [tmp_path / name for name in ("large.jsonl", "small.jsonl", "empty.txt")]
    lines = [json.dumps({"id": f"r{number}", "text": f"Text {number} " * 20}) for number in range(2000)]
    paths[0].write_text("\n".join(lines))
    paths[1].write_text(lines[0])
    paths[2].write_text("")
    return paths


@pytest.fixture
def run(execute: Execute, files: list[Path], tmp_path: Path) -> Run:
    return execute(tmp_path / "run", "ingest", ingest={"inputs": [str(path) for path in files], "max_reject_share": 1})


def edit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("at", [0, 1])
def test_an_edit_in_the_middle_is_found(run: Run, files: list[Path], at: int) -> None:
    documents = run.artifact("documents")
    assert list(changed(documents)) == []

    edit(files[at])

    assert list(changed(documents)) == [
        f"{files[at]}: has changed since it was ingested; choose another output for what it holds now"
    ]


def test_files_that_grew_or_are_gone_are_found(run: Run, files: list[Path]) -> None:
    files[0].unlink()
    files[2].write_text("No more empty.")

    gone, grown = changed(run.artifact("documents"))

    assert gone.startswith(f"{files[0]}: ")
    assert grown.startswith(f"{files[2]}: has changed")


def test_status_names_what_was_edited(sequitur: Any, run: Run, files: list[Path]) -> None:
    as_it_was = sequitur("status", run.root.url, "--deep")
    edit(files[0])
    edited, shallow = sequitur("status", run.root.url, "--deep"), sequitur("status", run.root.url)

    assert (as_it_was.code, edited.code, shallow.code) == (0, 1, 0)
    assert as_it_was.out.splitlines()[-1] == "the input files are as they were ingested"
    assert edited.out.splitlines()[-1].startswith(f"{files[0]}: has changed")
    assert "changed" not in shallow.out


def test_digests_that_are_lost_are_told(run: Run) -> None:
    assert list(verify(run)) == []
    run.artifact("documents").write_bytes(INPUTS, b"[]")

    with pytest.raises(CorruptPart, match=f"{INPUTS}: missing or damaged"):
        list(changed(run.artifact("documents")))
    with pytest.raises(CorruptPart, match=f"{INPUTS}: missing or damaged"):
        list(verify(run))


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES])
def test_blocks_are_all_of_a_file(size: int) -> None:
    blocks = blocks_of("a", size)

    assert [block.start for block in blocks] == [0, *(block.end for block in blocks[:-1])]
    assert blocks[-1].end == -1
    assert all(block.end - block.start == BLOCK_BYTES for block in blocks[:-1])
    assert 0 <= size - blocks[-1].start <= BLOCK_BYTES


def test_a_digest_is_that_of_the_bytes(files: list[Path]) -> None:
    content = files[0].read_bytes()

    assert input_paths.digest(*Block(str(files[0]), 100, 5000)) == xxhash.xxh3_128_hexdigest(content[100:5000])
    assert input_paths.digest(*Block(str(files[0]), 100, -1)) == xxhash.xxh3_128_hexdigest(content[100:])


def test_what_was_hashed_is_not_read_again(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_inputs, "BLOCK_BYTES", 2**14)
    monkeypatch.setattr(whole_inputs, "BATCH_BYTES", 2**16)
    jobs, paths = Jobs(Runner(), Progress(quiet=True)), [str(path) for path in files]
    whole, part = (Build(Directory(str(tmp_path / name)), "test") for name in ("whole", "part"))
    digest = whole_inputs.write(jobs, whole, paths)
    read: list[Block] = []
    monkeypatch.setattr(
        whole_inputs, "bytes_of", lambda *block: (read.append(Block(*block)), input_paths.bytes_of(*block))[1]
    )
    whole_inputs.note(part, [seen_in(block, 0) for block in blocks_of(paths[0], 2**20)[:4]])
    read.clear()

    assert whole_inputs.write(jobs, part, paths) == digest
    assert part.directory.files() == [INPUTS]
    assert part.directory.read_bytes(INPUTS) == whole.directory.read_bytes(INPUTS)
    assert read[0].start == 4 * 2**14
    count = len(read)
    assert whole_inputs.write(jobs, part, paths) == digest
    assert len(read) == count


@given(
    st.lists(st.sampled_from([b"\n", b"\r\n", b"a", b"bc", b"\n\n"]), max_size=40).map(b"".join),
    st.integers(1, 9),
    st.integers(1, 13),
)
def test_rows_before_each_stretch_are_those_of_a_counter(content: bytes, stretch: int, block: int) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(whole_inputs, "BLOCK_BYTES", block)
        path = Path(folder, "a.jsonl")
        path.write_bytes(content)
        seen = [seen_in(one, stretch) for one in blocks_of(str(path), len(content))]
        begins = [0, *(place + 1 for place, byte in enumerate(content) if byte == ord("\n"))]
        starts = range(0, max(len(content), 1), stretch)
        assert first_rows(seen, len(starts)) == [sum(begin < start for begin in begins) for start in starts]

        digests = Digests()
        for start in range(0, len(content), 7):
            digests.add(content[start : start + 7])
        assert digests.seen(str(path)) == [one._replace(lines={}) for one in seen]
