"""Shards as an artifact of a run, after they were changed as what others read: the run's manifest follows.

That lists what the run itself made. What its extensions added is in theirs; of them it tells only that they are there.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from sequitur.pipeline import artifacts
from sequitur.pipeline.artifacts import Part
from sequitur.pipeline.storage import Directory

RENEWED = {"manifest.json", "families.json", "state.json", "dataset_info.json"}  # under their old names


def renew_artifact(directory: Directory, root: Path) -> bool:
    """Have the run's manifest of the shards list what is there now; whether that is a change. Repeats without harm.
    The caller holds the run's lock.

    Both are where the shards lie: as an artifact of a run, and to be read.
    """
    from sequitur.shards.families import dataset_directories
    from sequitur.shards.manifest import read_manifest
    from sequitur.shards.parts import parts
    from sequitur.shards.side_files import dataset_files
    from sequitur.shards.totals import totals

    directory.remove_temporaries()
    old = artifacts.require_manifest(directory)
    known = {part.name: part for part in old.parts}
    own = {below: parts(read_manifest(root / below)) for below in dataset_directories(root)}
    listed = {
        f"{below}/{name}" if below else name for below, (first, *_) in own.items() for name in dataset_files(first)
    }
    found = []
    for name in known.keys() | listed:
        size, part = directory.size(name), known.get(name)
        if size is None:
            continue
        if part is None or part.bytes != size or Path(name).name in RENEWED:
            part = Part(name, _rows(root / name), size, artifacts.digest(directory.buffer(name)))
        found.append(part)
    found.sort(key=lambda part: part.name.replace("/", "--"))
    statistics = {**old.statistics, **asdict(totals(root))}
    if added := [
        {
            "run_id": one.header.run_id,
            "contexts": {name: split.rows for name, split in one.splits.items()},
            "tokens": sum(split.tokens for split in one.splits.values()),
            "documents": sum(split.docs for split in one.splits.values()),
        }
        for _, *rest in own.values()
        for one in rest
    ]:
        statistics["extensions"] = added
    new = replace(old, parts=tuple(found), statistics=statistics)
    if new == old:
        return False
    directory.write_json(artifacts.MANIFEST, new.to_json())
    return True


def _rows(path: Path) -> int:
    """The contexts in a shard, 0 for any other file."""
    import pyarrow as pa

    if path.suffix != ".arrow":
        return 0
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
        return sum(batch.num_rows for batch in stream)
