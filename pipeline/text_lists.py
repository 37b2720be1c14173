"""Lists that settings name: the lines of text files, on any file system that fsspec can reach."""

from __future__ import annotations

import fsspec

from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.file_systems import reason_of

LIST_BYTES = 2**30


def read_list(path: str, key: str) -> list[str]:
    """The lines of a UTF-8 text file that the setting `key` names, of at most 1 GiB.

    Raises:
        ConfigError: it cannot be read, is too large, or is not UTF-8.
    """
    try:
        with fsspec.open(path, "rb") as file:
            content = file.read(LIST_BYTES + 1)
    except Exception as error:  # the file systems of others raise what they like
        raise ConfigError(f"{path}: {reason_of(error)}; correct {key}") from error
    if len(content) > LIST_BYTES:
        raise ConfigError(f"{path}: more than {LIST_BYTES:,} bytes; give {key} a shorter list")
    try:
        return content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error
