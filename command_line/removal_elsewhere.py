"""Shards that lie elsewhere, when documents are taken out of them: a copy is changed, and the changes are put back.

They are put in the order in which they are made where shards are local: what was begun, the new files, the manifests,
what follows from them; and then what is no longer listed is removed. A reader finds the old dataset or the new one,
whenever the command is killed, and what it left is finished by the next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sequitur.command_line.common import fail
from sequitur.pipeline.names import SHARDS

if TYPE_CHECKING:
    from sequitur.pipeline.stage import Run
    from sequitur.pipeline.storage import Directory

OWN = "_manifest.json"  # the run's, which follows the shards' own
States = dict[str, tuple[int, int]]


def dataset_at(place: Directory) -> Directory:
    """Where shards lie: `place`, or its folder `shards` where it is a run's. Ends the command where they are a part of
    a dataset of several."""
    from sequitur.shards.format import FAMILIES_NAME, MANIFEST_NAME

    names = set(place.names())
    if not names:
        fail(f"{place.url}: no such directory; give that of some shards, such as RUN/shards")
    if not names & {MANIFEST_NAME, FAMILIES_NAME} and SHARDS in names:
        return place / SHARDS
    above = place
    for _ in range(2):
        above = parent_of(above)
        if above.is_file(FAMILIES_NAME):
            fail(f"{place.url}: is one of the datasets in {above.place(FAMILIES_NAME)}; give {above.url}")
    return place


def parent_of(place: Directory) -> Directory:
    """The directory above one that is given by its URL."""
    from sequitur.pipeline.storage import Directory

    return Directory(place.url.rstrip("/").rpartition("/")[0])


def run_at(shards: Directory) -> Run | None:
    """The run that shards are an artifact of, if they are."""
    from sequitur.pipeline import run_directory
    from sequitur.pipeline.builds import BUILDING
    from sequitur.pipeline.progress import Progress
    from sequitur.pipeline.stage import Run

    root, names = parent_of(shards), set(shards.names())
    if BUILDING in names and OWN not in names:
        fail(f"{shards.url}: a run is making these shards, or was interrupted; finish it first")
    if not shards.url.rstrip("/").endswith(f"/{SHARDS}") or OWN not in names or not root.is_file(run_directory.CONFIG):
        return None
    return Run(run_directory.read_config(root), progress=Progress())


def states(root: Path) -> States:
    """Of every file below `root` what is another when it is written anew."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): (path.stat().st_mtime_ns, path.stat().st_ino) for path in files}


@contextmanager
def unfinished_at(shards: Directory) -> Iterator[None]:
    """Once the block has ended well, the removal counts as finished there."""
    from sequitur.shards.removal.intent import INTENT

    yield
    shards.remove(INTENT)


def put_back(root: Path, before: States, shards: Directory) -> None:
    """Has `shards` hold what its copy in `root` holds, of which the files were as `before` when it was copied."""
    now = states(root)
    changed = [name for name in now if now[name] != before.get(name)]
    for name in sorted(changed, key=lambda name: (_turn(name), name)):
        folder, _, file = name.rpartition("/")
        with (shards / folder if folder else shards).writing(file) as target, (root / name).open("rb") as source:
            while block := source.read(2**24):
                target.write(block)
    for name in sorted(before.keys() - now.keys()):
        shards.remove(name)


def _turn(name: str) -> int:
    """When a file is put: what was begun is noted first, and what is listed is there before what lists it."""
    from sequitur.shards.format import FAMILIES_NAME, MANIFEST_NAME
    from sequitur.shards.removal.intent import INTENT

    last = name.rpartition("/")[2]
    turns = {INTENT: 0, MANIFEST_NAME: 2, FAMILIES_NAME: 3, "state.json": 4, "dataset_info.json": 4, OWN: 5}
    return turns.get(last, 1)
