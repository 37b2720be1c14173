"""Packed records are grouped in files as Beam would group them; a file that is not whole, or has no room, is told."""

import errno
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.pipeline.errors import StorageError, StorageFull
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.shuffle import PLACE, Fetch, PutAside
from sequitur.pipeline.storage import Directory

PACKED = st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=5)), max_size=12)


def put(folder: Path, bundles: list[list[tuple[int, bytes]]]) -> list[tuple[int, bytes]]:
    """The places of all elements, bundle by bundle."""
    aside, places = PutAside(str(folder)), list[tuple[int, bytes]]()
    for bundle in bundles:
        aside.start_bundle()
        places += [place for element in bundle for place in aside.process(element)]
        aside.finish_bundle()
    return places


@settings(max_examples=50, deadline=None)
@given(bundles=st.lists(PACKED, max_size=3))
def test_what_is_fetched_for_a_group_is_what_was_put_aside_for_it(
    bundles: list[list[tuple[int, bytes]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("shuffle")
    places = put(folder, bundles)

    for group in range(4):
        ((found, packed),) = Fetch(str(folder)).process((group, [place for of, place in places if of == group]))

        expected = [some for bundle in bundles for of, some in bundle if of == group]
        assert (found, sorted(packed)) == (group, sorted(expected))
    assert len(list(folder.iterdir())) == sum(map(bool, bundles))


class Spread(beam.DoFn):
    """A number → records for each of three groups."""

    def process(self, number: int) -> Iterator[tuple[int, bytes]]:
        for group in range(3):
            yield group, bytes([number] * (group + 1))


@pytest.mark.parametrize("workers", [1, 2])
def test_jobs_group_as_beam_does_and_leave_nothing(workers: int, tmp_path: Path) -> None:
    runner, files = Runner(workers, keep=Directory(str(tmp_path / "keep"))), set[str]()

    def job(name: str, group: Callable[[], Any]) -> Callable[[beam.Pipeline], None]:
        def build(pipeline: beam.Pipeline) -> None:
            spread = beam.ParDo(Spread()).with_output_types(tuple[int, bytes])
            grouped = pipeline | beam.Create(range(5)) | beam.Reshuffle() | spread | group()
            told = grouped | beam.MapTuple(lambda key, packed: f"{key} {sorted(packed)}") | beam.combiners.ToList()
            _ = told | beam.Map(lambda lines: (tmp_path / name).write_text("\n".join(sorted(lines))))

        return build

    def watch() -> None:
        while not stop.wait(0.002):
            files.update(path.name for path in (tmp_path / "keep").rglob("*") if len(path.name) == 32)

    stop = threading.Event()
    watching = threading.Thread(target=watch)
    watching.start()
    with runner.grouping() as group:
        runner.run(job("ours", group), 5)
    stop.set()
    watching.join()
    runner.run(job("beam", beam.GroupByKey), 5)

    assert (tmp_path / "ours").read_text() == (tmp_path / "beam").read_text()
    assert files  # the records were there
    assert not list((tmp_path / "keep").iterdir())


def test_a_job_elsewhere_is_grouped_by_its_own_shuffle() -> None:
    with Runner(1, ["--runner=PortableRunner"]).grouping() as group:
        assert isinstance(group(), beam.GroupByKey)


def test_a_file_that_is_cut_short_is_told(tmp_path: Path) -> None:
    ((group, place),) = put(tmp_path, [[(1, b"abcdef")]])
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"abc")

    with pytest.raises(StorageError, match=f"{path.name}: it ends too early"):
        list(Fetch(str(tmp_path)).process((group, [place])))
    assert PLACE.unpack(place)[1:] == (0, 6)


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    aside = PutAside(str(tmp_path))
    aside.start_bundle()
    list(aside.process((0, b"abc")))

    class Full:
        name = "path"

        def write(self, packed: bytes) -> None:
            raise OSError(errno.ENOSPC, "no space")

        def close(self) -> None:
            raise OSError(errno.ENOSPC, "no space")

    aside._file = Full()  # type: ignore[assignment]
    with pytest.raises(StorageFull, match="the disk is full"):
        list(aside.process((0, b"def")))
    with pytest.raises(StorageFull, match="the disk is full"):
        aside.finish_bundle()
