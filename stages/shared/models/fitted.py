"""What was fitted on a run's documents, put aside when the run is updated to other input files: it serves from then on.

    RUN/fitted/tokenizer/   tokenizer.json
    RUN/fitted/model/       a sentence-transformers model; in it the weights of words, where these have a share
    RUN/fitted/words/       the weights of words, of a run whose model is given
    …/_fitted.json          by which settings it was fitted, for which artifact, and the digests of its files

An updated run behaves as one that is given these by its settings.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sequitur.pipeline.errors import CorruptPart
from sequitur.pipeline.names import FITTED
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.models.model_files import digests

NOTE = "_fitted.json"


def aside(root: Directory, name: str) -> Directory:
    """Where something lies that was put aside in a run."""
    return root / FITTED / name


def note(directory: Directory) -> Mapping[str, Any] | None:
    """What is noted of it: `fitted_by`, the settings, `of`, the fingerprint, and `files`; None where nothing is there.

    Raises:
        CorruptPart: it is not what `put` writes.
    """
    if (content := directory.content(NOTE)) is None:
        return None
    found = directory.parsed(NOTE, content)
    kinds = {"fitted_by": dict, "of": str, "files": dict}
    if not isinstance(found, dict) or not all(isinstance(found.get(key), kind) for key, kind in kinds.items()):
        raise CorruptPart(f"{directory.path(NOTE)}: not a note of this program; delete {directory.path()}")
    return found


def put(root: Directory, name: str, files: Path, fitted_by: Mapping[str, Any], of: str) -> None:
    """Puts the files of a local directory aside, replacing what was; the note comes last."""
    content = {"fitted_by": fitted_by, "of": of, "files": digests(files)}
    (root / FITTED).put_directory(files, name)
    aside(root, name).write_json(NOTE, content)


@contextmanager
def fetched(directory: Directory) -> Iterator[Path]:
    """What was put aside, or given, by a local path for the block.

    Raises:
        CorruptPart: its files are not those that are noted.
    """
    found = note(directory)
    with tempfile.TemporaryDirectory() as scratch:
        above, _, name = directory.url.rstrip("/").rpartition("/")
        path = Path(directory.path()) if directory.is_local else Directory(above).local_copy(name, Path(scratch))
        held = {file: digest for file, digest in digests(path).items() if file != NOTE}
        if found is not None and held != found["files"]:
            raise CorruptPart(f"{directory.path()}: not what was put aside; run with --refit to fit it anew")
        yield path
