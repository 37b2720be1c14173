"""What ingest is: its place in the recipe, and what its artifact depends on. The work is in `stage.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import xxhash

from sequitur.pipeline import former
from sequitur.pipeline.artifacts import Manifest
from sequitur.pipeline.config import Config
from sequitur.pipeline.later import done_in
from sequitur.pipeline.names import DOCUMENTS, REJECTS
from sequitur.pipeline.stage import Stage
from sequitur.stages.ingest import own_formats, reuse
from sequitur.stages.ingest.splits import DOCUMENT_FILES, InputFile, find_inputs
from sequitur.stages.shared.sources.input_paths import bytes_of, file_size, is_elsewhere, modified

THREADS = 16  # that ask for the ends of files that lie elsewhere
END_BYTES = 2**16


def parameters(config: Config) -> Mapping[str, Any]:
    """The settings; of each input file its size and a hash of its first and last 64 KiB, and the time of one that is a
    document with that time; formats of the user's own."""
    settings = config.ingest
    mapped = settings.model_dump(mode="json", exclude={"inputs", "formats", "max_reject_share"})
    own = own_formats.parameters(settings.formats)
    said = [each.model_dump(exclude={"path", "include", "exclude"}, exclude_none=True) for each in settings.inputs]
    return {
        "name": config.name,
        "files": _identified(find_inputs(settings)),
        **mapped,
        **({"inputs": said} if any(said) else {}),
        **({"formats": own} if own else {}),
        **({"seed": config.seed} if settings.sample < 1 else {}),
    }


def _identified(files: Sequence[InputFile]) -> list[list[Any]]:
    """The files, each with its size and a hash of its ends, and the time of one that is a document with that time."""
    sizes = [file_size(file.path) for file in files]  # told by the listing, which this thread has
    times = [[str(modified(file.path))] if file.kind in DOCUMENT_FILES else [] for file in files]
    paths = [file.path for file in files]
    if not any(map(is_elsewhere, paths)):
        ends = list(map(_hash_of_ends, paths, sizes))
    else:
        with ThreadPoolExecutor(THREADS) as threads:
            ends = list(threads.map(_hash_of_ends, paths, sizes))
    return [[*file, size, end, *time] for file, size, end, time in zip(files, sizes, ends, times, strict=True)]


def _hash_of_ends(path: str, size: int) -> str:
    """Of the first and the last 64 KiB; they are one stretch where nothing lies between them."""
    begin = max(size - END_BYTES, END_BYTES)
    stretches = [(0, max(size, 1))] if size <= 2 * END_BYTES else [(0, END_BYTES), (begin, begin + END_BYTES)]
    return xxhash.xxh3_128_hexdigest(b"".join(data for stretch in stretches for data in bytes_of(path, *stretch)))


def changes(before: Manifest, now: Mapping[str, Any]) -> str | None:
    """What differs in the input files; None where another setting does, or the version that read them."""
    this = former.is_alike(before, STAGE.name, STAGE.version, before.parameters)
    return reuse.changes(before.parameters, now) if this else None


STAGE = Stage(
    "ingest",
    DOCUMENTS,
    6,
    (),
    parameters,
    *done_in("sequitur.stages.ingest.stage"),
    (REJECTS,),
    changes=changes,
    reuses=True,
)
