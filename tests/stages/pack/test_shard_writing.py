"""Shards have the same bytes whether workers map the tokens or are sent them, and whatever was written before."""

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.pipeline import artifacts, builds, schemas
from sequitur.pipeline.builds import Build
from sequitur.pipeline.errors import CorruptPart, StageFailed
from sequitur.pipeline.jobs import Jobs
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.sections import Pack
from sequitur.pipeline.stage import Run
from sequitur.pipeline.storage import Directory
from sequitur.shards.format import Boundaries, Header, SpecialIds, TokenizerInfo
from sequitur.stages.pack import stage as pack
from sequitur.stages.pack import token_runs
from sequitur.stages.pack.shard_sets import Cutting, ShardSet, plan_sets
from sequitur.stages.pack.shard_writing import write_shards

SHARD_BYTES = 2**14
HEADER = Header(
    "test",
    "",
    "",
    8,
    TokenizerInfo("bytes", None, "", 2**20),
    SpecialIds(None, 0, 2**20 - 1),
    Boundaries(eos_after_doc=True, bos_at_doc_start=False),
)


def write_tokens(directory: Directory, parts: Sequence[Sequence[int]]) -> np.ndarray:
    """Tokens of documents of such lengths, part by part, each token another; returns the lengths."""
    lengths = np.array([length for part in parts for length in part], dtype=np.int64)
    ends = np.cumsum([0, *lengths])
    build, ordinal = builds.begin(directory, "test"), 0
    for number, part in enumerate(parts):
        offsets = ends[ordinal : ordinal + len(part) + 1]
        values = pa.array(np.arange(offsets[0], offsets[-1], dtype=np.uint32))
        column = pa.LargeListArray.from_arrays(offsets - offsets[0], values)
        ordinals = np.arange(ordinal, ordinal + len(part))
        batch = pa.record_batch([pa.array(ordinals), column], schema=schemas.TOKENS)
        builds.write_part(build, f"part-00000-{number:04}.arrow", batch, compress=False)
        ordinal += len(part)
    builds.finish(build, {}, {}, {})
    return lengths


def planned(lengths: np.ndarray, policy: str, size: int, families: int, epochs: int, share: float) -> list[ShardSet]:
    rng = np.random.default_rng(4)
    chosen = Pack(policy=policy, context_length=size, validation_share=share, epochs=epochs)
    orders = []
    for _ in range(epochs):
        family = np.sort(rng.integers(0, families, len(lengths)))
        ordinal = np.arange(len(lengths)) if epochs > 1 else rng.permutation(len(lengths))
        columns = {
            "ordinal": ordinal,
            "path": np.arange(len(lengths)) // 7,
            "opens": rng.random(len(lengths)) < 0.1,
            "fills": rng.random(len(lengths)) < 0.3,
            "family": family if epochs == 1 else np.zeros(len(lengths), np.int64),
        }
        orders.append(pa.table(columns))
    names = [""] if families == 1 else [f"family-{number}" for number in range(families)]
    present = set(orders[0]["family"].to_pylist())
    return plan_sets(Cutting(chosen, 5, False, lengths), orders, names) if len(present) == families else []


class Counting(Runner):
    """Counts the elements of its jobs."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[int] = []

    def run(self, build: Any, elements: int, seconds: float = float("inf")) -> None:
        self.elements.append(elements)
        super().run(build, elements, seconds)


def written(build: Build) -> dict[str, bytes]:
    """The shards."""
    directory = build.directory
    return {name: directory.read_bytes(name) for name in directory.files() if name.endswith(".arrow")}


@pytest.fixture
def new_build(tmp_path: Path) -> Callable[[], Build]:
    numbers = count()

    def make() -> Build:
        return builds.begin(Directory(str(tmp_path / f"shards-{next(numbers)}")), "0" * 64, in_place=True)

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., list[int]]:
    """Writes shards in one of the forms; returns how many elements its job had, if there was one."""

    def run(build: Build, tokens: Directory, sets: list[ShardSet], *, mapped: bool) -> list[int]:
        runner = Counting()
        write_shards(Jobs(runner, Progress(quiet=True)), build, tokens, sets, HEADER, SHARD_BYTES, mapped=mapped)
        return runner.elements

    return run


PARTS = st.lists(st.lists(st.integers(0, 40), max_size=60), min_size=1, max_size=8)


@settings(max_examples=25)
@given(
    parts=PARTS.filter(lambda parts: sum(map(sum, parts)) > 0),
    policy=st.sampled_from(["stream", "whole", "filled", "best_fit", "buckets"]),
    size=st.sampled_from([2, 8, 64]),
    families=st.integers(1, 2),
    share=st.sampled_from([0.0, 0.3]),
)
def test_both_forms_write_the_same_bytes(
    parts: list[list[int]],
    policy: str,
    size: int,
    families: int,
    share: float,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("both")
    tokens = Directory(str(folder / "tokens"))
    sets = planned(write_tokens(tokens, parts), policy, size, families, 1, share)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_runs, "BLOCK_RUNS", 50)
        patch.setattr(token_runs, "MESSAGE_TOKENS", 16)
        found = []
        for mapped in (True, False):
            build = builds.begin(Directory(str(folder / f"shards-{mapped}")), "0" * 64, in_place=True)
            jobs = Jobs(Runner(), Progress(quiet=True))
            write_shards(jobs, build, tokens, sets, HEADER, SHARD_BYTES, mapped=mapped)
            found.append(written(build))
    assert found[0] == found[1]
    assert bool(found[0]) == bool(sets)


@pytest.fixture
def many(tmp_path: Path) -> tuple[Directory, list[ShardSet]]:
    """Tokens in twenty parts, and a plan of several shards of rows of eight."""
    tokens = Directory(str(tmp_path / "tokens"))
    rng = np.random.default_rng(3)
    lengths = write_tokens(tokens, [rng.integers(1, 60, 100).tolist() for _ in range(20)])
    return tokens, planned(lengths, "stream", 8, 1, 2, 0.1)


def test_only_parts_that_shards_lack_are_read(
    many: tuple[Directory, list[ShardSet]], new_build: Callable[[], Build], write: Callable[..., list[int]]
) -> None:
    tokens, sets = many
    build = new_build()
    assert write(build, tokens, sets, mapped=False) == [20]
    before = written(build)
    assert len(before) > 8
    assert write(build, tokens, sets, mapped=False) == []
    name = max(before)  # the last one of val
    build.directory.remove(name)
    (elements,) = write(build, tokens, sets, mapped=False)
    assert elements < 20
    assert written(build) == before
    build.directory.remove(name)
    assert write(build, tokens, sets, mapped=True) == [1]
    assert written(build) == before


def test_messages_are_small(many: tuple[Directory, list[ShardSet]], monkeypatch: pytest.MonkeyPatch) -> None:
    """But for one run they hold no more tokens than they may, and together what is asked for."""
    monkeypatch.setattr(token_runs, "MESSAGE_TOKENS", 100)
    lengths, rng = np.array([50, 3, 120, 1]), np.random.default_rng(2)
    tokens = rng.integers(0, 99, lengths.sum(), dtype=np.uint32)
    offsets = np.cumsum([0, *lengths])
    chosen = np.sort(rng.integers(0, 4, 300))
    start = rng.integers(0, lengths[chosen])
    length = rng.integers(1, lengths[chosen] - start + 1)
    shard = np.sort(rng.integers(0, 3, 300))
    slot = np.cumsum(length) - length
    runs = token_runs.records(token_runs.RUN, chosen + 7, start, length, shard, slot)
    out = np.zeros((3, length.sum()), np.uint32)
    for number, message in token_runs.messages(runs, 7, offsets, tokens):
        some = token_runs.unpacked(message)
        assert some.length[:-1].sum() <= 100
        token_runs.place(some, out[number])
    for run in runs:
        begin = offsets[run["document"] - 7] + run["start"]
        expected = tokens[begin : begin + run["length"]]
        assert out[run["shard"]][run["slot"] : run["slot"] + run["length"]].tolist() == expected.tolist()


@pytest.mark.parametrize(("document", "start", "length"), [(6, 0, 1), (11, 0, 1), (7, 50, 1), (7, 0, 51), (10, 1, 1)])
def test_a_run_that_is_not_there_is_an_error(document: int, start: int, length: int) -> None:
    offsets = np.cumsum([0, 50, 3, 120, 1])
    runs = token_runs.records(token_runs.RUN, *(np.array([one]) for one in (document, start, length, 0, 0)))
    with pytest.raises(IndexError):
        list(token_runs.messages(runs, 7, offsets, np.zeros(offsets[-1], np.uint32)))


@pytest.mark.parametrize(("lost", "said"), [(slice(1), "1 of 14 shards were not"), (slice(2, 5), "tokens came")])
def test_a_shard_that_misses_runs_is_not_written(
    lost: slice,
    said: str,
    many: tuple[Directory, list[ShardSet]],
    new_build: Callable[[], Build],
    write: Callable[..., list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tokens, sets = many
    messages, build = token_runs.messages, new_build()

    def some(*arguments: Any) -> list[tuple[int, bytes]]:
        """Those of a part, but for a shard or for some of several."""
        of_part = list(messages(*arguments))
        if lost.stop > 1 and arguments[1]:
            return of_part
        del of_part[lost]
        return of_part

    with monkeypatch.context() as patch:
        patch.setattr(token_runs, "messages", some)
        with pytest.raises(StageFailed, match=said):
            write(build, tokens, sets, mapped=False)
    assert write(build, tokens, sets, mapped=False) == [20]
    other = new_build()
    write(other, tokens, sets, mapped=True)
    assert written(build) == written(other)


def test_a_damaged_part_is_named(
    many: tuple[Directory, list[ShardSet]], new_build: Callable[[], Build], write: Callable[..., list[int]]
) -> None:
    tokens, sets = many
    part = artifacts.require_manifest(tokens).parts[3]
    file = Path(tokens.path(part.path))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(CorruptPart, match=part.name):
        write(new_build(), tokens, sets, mapped=False)


SETTINGS = {
    "filled": {"families": {"by": "source"}, "pack": {"context_length": 512, "policy": "filled"}},
    "buckets": {"pack": {"context_length": 128, "policy": "buckets", "validation_share": 0.2}},
    "stream": {"pack": {"context_length": 48, "policy": "stream", "validation_share": 0.2, "shard_bytes": 2**18}},
    "whole": {"pack": {"context_length": 4096, "policy": "whole", "epochs": 2, "shard_bytes": 2**18}},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_run_has_the_same_shards_in_both_forms(
    name: str, branch: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for mapped in (True, False):
        monkeypatch.setattr(pack, "maps_tokens", lambda *asked, mapped=mapped: mapped)
        run = branch(f"run-{mapped}", "pack", **SETTINGS[name])
        shards = run.artifact("shards")
        found.append({file: shards.read_bytes(file) for file in shards.files()})
        assert list(pack.verify(run)) == []
    assert found[0] == found[1]


def test_workers_elsewhere_are_sent_the_tokens() -> None:
    elsewhere = Runner(options=["--runner=PortableRunner"])
    assert pack.maps_tokens(Runner(2), Pack())
    assert not pack.maps_tokens(elsewhere, Pack())
    assert not pack.maps_tokens(elsewhere, Pack(context_length=2**18))
    assert pack.maps_tokens(elsewhere, Pack(context_length=2**19))  # 1,024 rows are 2 GiB
    assert pack.maps_tokens(elsewhere, Pack.model_validate({"shard_bytes": "2GiB"}))
