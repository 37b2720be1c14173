"""Named errors. Each message is one line that says what is wrong, where, and what to do about it.

The command line prints the message alone and exits with a code that is not 0, by which a scheduler knows whether a run
is to be tried again; a traceback is for our mistakes only.
"""

from __future__ import annotations

import errno
import re

from sequitur.pipeline.terminal import printable

FAILED, TRY_AGAIN, MEND_CONFIGURATION = 1, 75, 78  # of sysexits.h: EX_TEMPFAIL and EX_CONFIG


class SequiturError(Exception):
    """Base of every error that a user can cause and mend. Its message is one line, whatever file names it quotes."""

    exit_code = FAILED

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(str(message)).replace("\n", "\ufffd"))


class ConfigError(SequiturError):
    """The configuration cannot be read, or a key or value in it is wrong."""

    exit_code = MEND_CONFIGURATION


class InputError(SequiturError):
    """An input file is missing, empty, truncated or of an unknown format."""


class TooManyRejects(SequiturError):
    """More records could not be read than `ingest.max_reject_share` allows."""


class NothingKept(SequiturError):
    """Every document was dropped, so there is nothing to order or to pack."""


class CorruptPart(SequiturError):
    """A part file does not hold the bytes that were written to it."""


class MissingArtifact(SequiturError):
    """A stage needs an artifact that is absent or stale."""


class ForeignDirectory(SequiturError):
    """The output directory holds another run, or something that is no run at all."""

    exit_code = MEND_CONFIGURATION


class RunLocked(SequiturError):
    """Another process is writing the same run directory."""

    exit_code = TRY_AGAIN


class StorageFull(SequiturError):
    """The disk is full, or will be before the stage is done."""

    exit_code = TRY_AGAIN


class StorageError(SequiturError):
    """The file system refused to read or write."""

    exit_code = TRY_AGAIN


class PlaceUnknown(StorageError):
    """A path or URL names no file system that is known here."""

    exit_code = MEND_CONFIGURATION


class OverMemory(SequiturError):
    """A stage needs more memory than the machine has."""


class ModelError(SequiturError):
    """A tokenizer or an embedding model cannot be loaded."""


class OwnModuleFailed(SequiturError):
    """A function of the user's own, outside this package, raised an error or returned what it may not."""


class DocumentUnknown(SequiturError):
    """A name fits no document of a run, or several."""


class ArtifactUnknown(SequiturError, LookupError):
    """A run has no finished artifact of that name."""


class ColumnUnknown(SequiturError, LookupError):
    """A table has no column of that name."""


class NoTable(SequiturError):
    """An artifact holds something other than rows."""


class EngineAway(SequiturError):
    """The engine that is to run the jobs does not answer."""

    exit_code = TRY_AGAIN


class LedgerImbalance(SequiturError):
    """Documents or tokens were lost or counted twice: a defect, never to be ignored."""


class RemovalsUndone(SequiturError):
    """Making the shards anew would bring back documents that were removed from them."""


class RemovalUnfinished(RemovalsUndone):
    """A removal from the shards was begun and must be repeated before anything else is done with them."""


class ExtensionsUndone(SequiturError):
    """Making something anew would undo the extensions of a run, or leave them without what they were made from."""


class ExtensionUnfinished(ExtensionsUndone):
    """An extension of the shards was begun and must be repeated before anything else is done with them."""


class ExtensionRefused(SequiturError):
    """A run cannot be extended, or not by these inputs."""


class StageFailed(SequiturError):
    """A worker failed in a way that no named error describes; the log has its traceback."""

    exit_code = TRY_AGAIN


_BY_NAME = {cls.__name__: cls for cls in SequiturError.__subclasses__()}
_WORKER_ERROR = re.compile(rf"^(?:{re.escape(__name__)}\.)?(\w+): (.+?)(?: \[while running .*)?$", re.MULTILINE)


def from_storage(error: OSError, path: str) -> SequiturError:
    """The named error for an `OSError` met while reading or writing `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(f"{path}: the disk is full; free some space and run the same command again")
    reason = "does not exist" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
    return StorageError(f"{path}: {reason}; mend that and run the same command again")


def unreadable(path: str, error: OSError) -> InputError:
    """The named error for an `OSError` met while reading an input file."""
    return InputError(f"{path}: {error.strerror or error}; check the path and its permissions")


def from_worker(error: BaseException) -> SequiturError | None:
    """The named error behind what Beam raised, or None where there is none.

    In-process runs raise the original class with ` [while running …]` appended; worker processes send the
    traceback as text, whose last line of the form `module.Class: message` is the error.
    """
    for name, message in reversed(_WORKER_ERROR.findall(f"{type(error).__name__}: {error}")):
        if name in _BY_NAME:
            return _BY_NAME[name](message)
    return None
