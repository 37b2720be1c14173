"""A directory that an export writes whole or not at all: in a folder within it, renamed at the end, its report last."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sequitur.shards.alone import alone
from sequitur.shards.atomic import flush_directory
from sequitur.shards.errors import ShardError

REPORT_NAME = "sequitur-export.json"
_STAGING = ".partial"
_NO_REPORT = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)  # cut short, or edited


class ExportRefused(ShardError, ValueError):
    """The export cannot be made as asked: an unknown target, a directory in use, several datasets, no row that
    fits."""


def write_report(staging: Path, report: Mapping[str, Any]) -> None:
    """Writes the report, whose presence will mean that the export is whole; its `files` are bytes by name."""
    (staging / REPORT_NAME).write_text(json.dumps(report, sort_keys=True, indent=1) + "\n")


def whole_report(out: Path) -> dict[str, Any] | None:
    """The report of the export in `out`, if that is whole by the sizes of its files: whoever was killed late may not
    know."""
    try:
        report: dict[str, Any] = json.loads((out / REPORT_NAME).read_bytes())
        whole = report["files"] == sizes(out) and not (out / _STAGING).exists()
    except _NO_REPORT:
        return None
    return report if whole else None


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of every file below a folder, but for the report, by name."""
    named = {path.relative_to(folder).as_posix(): path.stat().st_size for path in _files(folder)}
    return {name: size for name, size in named.items() if name != REPORT_NAME}


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """A folder to write in, whose files move to `out` once the block has ended well."""
    existed = out.exists()
    if existed and not out.is_dir():
        raise ExportRefused(f"{out} is a file: give a new directory")
    out.mkdir(parents=True, exist_ok=True)
    with alone(out, ExportRefused(f"{out}: another process exports to it; wait for it, or give a new directory")):
        _clear_killed(out)
        if any(out.iterdir()):
            raise ExportRefused(f"{out} is not empty: give a new directory, or empty this one")
        with _moved_into(out, existed) as staging:
            yield staging


def _clear_killed(out: Path) -> None:
    """Deletes what a killed export left, if nothing else lies there: its folder, which goes last, and the files that it
    had moved out of it. It moves none before its report is flushed to disk, which lists them."""
    staging = out / _STAGING
    if not staging.is_dir():
        return
    listed: set[Path] = set()
    for report in (out / REPORT_NAME, staging / REPORT_NAME):
        with suppress(*_NO_REPORT):  # so nothing was moved yet
            names = json.loads(report.read_bytes())["files"]
            listed |= {out / REPORT_NAME, *(out / name for name in names if ".." not in name.split("/"))}
    here = {path for path in _files(out) if not path.is_relative_to(staging)}
    if not here <= listed:
        return
    for path in sorted(here, key=lambda path: path.name == REPORT_NAME):
        path.unlink()
    for folder in sorted((path for path in out.rglob("*") if path.is_dir() and path != staging), reverse=True):
        if not folder.is_relative_to(staging):
            folder.rmdir()
    shutil.rmtree(staging)


@contextmanager
def _moved_into(out: Path, existed: bool) -> Iterator[Path]:
    staging = out / _STAGING
    moved: list[Path] = []
    try:
        staging.mkdir()
        yield staging
        files = _files(staging)
        for path in files:
            with path.open("rb") as file:
                os.fsync(file.fileno())
        for folder in {staging, *(path.parent for path in files)}:
            flush_directory(folder)
        for path in sorted(files, key=lambda path: path.name == REPORT_NAME):  # the report goes last
            final = out / path.relative_to(staging)
            final.parent.mkdir(exist_ok=True, parents=True)
            moved.append(final)
            path.rename(final)
        for folder in {out, *(path.parent for path in moved)}:
            flush_directory(folder)
        shutil.rmtree(staging)
    except BaseException:
        for path in moved:
            path.unlink(missing_ok=True)
        shutil.rmtree(staging if existed else out, ignore_errors=True)
        raise


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
