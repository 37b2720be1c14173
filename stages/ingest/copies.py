"""Input files that lie elsewhere, copied to this machine's disk while they are read: each is fetched once, and hashed
as it comes. One that the disk has no room for is read where it lies."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sequitur.pipeline import notes
from sequitur.pipeline.builds import Build
from sequitur.pipeline.nearby import SPARE
from sequitur.stages.ingest.splits import InputFile, Split
from sequitur.stages.ingest.whole_inputs import Digests, Seen, note
from sequitur.stages.shared.sources.input_paths import bytes_of, is_elsewhere


def is_copied(file: InputFile, split: Split) -> bool:
    """Whether a file is copied when the split is read: where it lies elsewhere, and all of it is read."""
    return split.whole and split.most < 0 and is_elsewhere(file.path)


@contextmanager
def copied(path: str, digests: Digests) -> Iterator[str | None]:
    """A copy of a file, until the block ends; None where there is no room for it, and then `digests` are not all.

    Raises:
        InputError: it cannot be read.
    """
    with tempfile.NamedTemporaryFile(prefix="sequitur-input-") as copy:
        for data in bytes_of(path):
            if shutil.disk_usage(tempfile.gettempdir()).free < len(data) + SPARE:
                copy.truncate(0)
                yield None
                return
            digests.add(data)
            copy.write(data)
        copy.flush()
        yield copy.name


class Copies:
    """Copies of the files that one worker reads, whose digests it notes for `documents`, some seconds' together."""

    def __init__(self, documents: Build) -> None:
        self._documents, self._seen, self._noted = documents, list[Seen](), time.monotonic()

    @contextmanager
    def of(self, file: InputFile, split: Split) -> Iterator[str | None]:
        """A copy of a file of a split, until the block ends; None where it is read as it lies."""
        if not is_copied(file, split):
            yield None
            return
        digests = Digests()
        with copied(file.path, digests) as copy:
            if copy is not None:
                self._seen += digests.seen(file.path)
            yield copy
        if time.monotonic() - self._noted > notes.TOGETHER_SECONDS:
            self.note()

    def note(self) -> None:
        """Notes the digests that are not noted yet."""
        note(self._documents, self._seen)
        self._seen, self._noted = [], time.monotonic()
