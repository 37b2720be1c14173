"""Rows of kept documents: whichever were kept before and are now, the same bytes as all computed anew."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.pipeline import artifacts, builds, former, schemas
from sequitur.pipeline.beam import Rows
from sequitur.pipeline.builds import Build
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.columns import kept_rows
from sequitur.stages.shared.columns.kept_rows import KeptRows

TEXTS = ["", "one", "a longer text", "four words of text", "eins", "deux", "три"]
runs = count()


class Lengths(beam.DoFn):
    """The bytes of each kept text, as lists, or as vectors; remembers how many texts it was given."""

    def __init__(self, *, lists: bool) -> None:
        self._lists, self.texts = lists, 0

    def process(self, rows: Rows) -> Iterator[Rows]:
        name, batch = rows
        batch = batch.filter(batch.column("kept"))
        texts = batch.column("text").to_pylist()
        self.texts += len(texts)
        if self._lists:
            values = [list(text.encode()) for text in texts]
            yield (
                name,
                pa.record_batch([batch["ordinal"], pa.array(values, schemas.TOKENS.field(1).type)], schemas.TOKENS),
            )
        else:
            flat = np.array([[len(text), 0.1] for text in texts], np.float16).reshape(-1)
            column = pa.FixedSizeListArray.from_arrays(pa.array(flat), 2)
            yield name, pa.record_batch([batch["ordinal"], column], schema=schemas.vectors(2))


def text(root: Directory, parts: list[list[str]], fingerprint: str) -> None:
    build = builds.begin(root / "text", fingerprint * 16, kept=())
    for number, texts in enumerate(parts):
        batch = pa.record_batch({"text": pa.array(texts, pa.large_string())})
        builds.write_part(build, f"part-{number}.arrow", batch, compress=False)
    builds.finish(build, {}, {}, {})


def select(root: Directory, kept: list[list[bool]], fingerprint: str) -> None:
    build = builds.begin(root / "selection", fingerprint * 16, kept=())
    ordinal = 0
    for number, here in enumerate(kept):
        ordinals = [ordinal + sum(here[:row]) if keep else None for row, keep in enumerate(here)]
        ordinal += sum(here)
        batch = pa.record_batch({"kept": here, "ordinal": pa.array(ordinals, pa.int64())})
        builds.write_part(build, f"part-{number}.arrow", batch, compress=False)
    builds.finish(build, {}, {}, {}, lasting=True)


def compute(root: Directory, fingerprint: str, parents: str, *, lists: bool, whole: bool = False) -> tuple[Build, int]:
    build = builds.begin(root / "made", fingerprint * 16, kept=())
    parts: dict[str, kept_rows.Before] = {}
    for manifest in former.manifests(root / "made"):
        parts |= kept_rows.before(root, build, manifest, "text")
    lengths = Lengths(lists=lists)
    rows = KeptRows(lengths, build, root / "text", root / "selection", parts, whole=whole)
    rows.setup()
    done = {part.name for part in builds.written_parts(build)}
    for name in artifacts.require_manifest(root / "text").names:
        if name not in done:
            for made in rows.process(name):
                builds.write_part(build, *made, compress=False)
    by = {"text": parents[0] * 16, "selection": parents[1] * 16}
    builds.finish(build, {}, by, {})
    return build, lengths.texts


masks = st.lists(st.booleans(), min_size=len(TEXTS), max_size=len(TEXTS))


@settings(max_examples=25)
@given(st.lists(masks, min_size=2, max_size=2), st.lists(masks, min_size=3, max_size=3), st.booleans(), st.booleans())
def test_what_is_taken_over_is_what_would_be_computed(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[list[bool]],
    now: list[list[bool]],
    lists: bool,
    whole: bool,
) -> None:
    path = tmp_path_factory.mktemp(f"rows{next(runs)}")
    root, fresh = Directory(str(path / "run")), Directory(str(path / "fresh"))
    old, other = [TEXTS, TEXTS[::-1]], [[f"{text} anew" for text in TEXTS], TEXTS, TEXTS[::-1]]
    text(root, old, "1")
    select(root, before, "2")
    compute(root, "3", "12", lists=lists)
    for place in (root, fresh):
        text(place, other, "4")
        select(place, now, "5")
    _, computed = compute(root, "6", "45", lists=lists, whole=whole)
    compute(fresh, "6", "45", lists=lists)
    parts = [artifacts.require_manifest(place / "made").parts for place in (root, fresh)]
    assert parts[0] == parts[1]  # checksums, too
    new = [np.array(kept) & ~np.array(was) for kept, was in zip(now[1:], before, strict=True)]
    if whole:
        expected = sum(sum(kept) for kept, was in zip(now[1:], before, strict=True) if kept != was)
    else:
        expected = sum(map(np.count_nonzero, new))
    assert computed == sum(now[0]) + expected


def test_what_is_wholly_as_it_was_is_the_same_file(tmp_path: Path) -> None:
    root, kept = Directory(str(tmp_path)), [[True] * len(TEXTS)]
    text(root, [TEXTS], "1")
    select(root, kept, "2")
    compute(root, "3", "12", lists=True)
    (old,) = tmp_path.glob("made/*/part-0.arrow")
    inode = old.stat().st_ino
    text(root, [TEXTS, ["more"]], "4")
    select(root, [*kept, [True]], "5")
    _, computed = compute(root, "6", "45", lists=True)
    assert computed == 1
    assert [path.stat().st_ino for path in tmp_path.glob("made/*/part-0.arrow")] == [inode]


def test_nothing_is_taken_over_where_it_is_not_known_what_was_kept(tmp_path: Path) -> None:
    root, kept = Directory(str(tmp_path)), [[True] * len(TEXTS)]
    text(root, [TEXTS], "1")
    select(root, kept, "2")
    compute(root, "3", "12", lists=True)
    select(root, kept, "5")
    former.forget(root / "selection")
    assert compute(root, "6", "15", lists=True)[1] == len(TEXTS)
