"""Writing the rows of a split in the formats that other trainers read: what all targets share.

A target is a module with one function

    def write(source: Source, out: Path) -> dict[str, Any]

that takes the rows it can hold from `source`, in their written order, writes plain files into `out`, and returns what
a trainer has to be told about them, as JSON. Checking, counting, flushing and renaming are done here.
"""

import importlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from sequitur.shards.alone import alone
from sequitur.shards.atomic import flush_directory
from sequitur.shards.errors import ShardError, TotalsMismatch
from sequitur.shards.exports.source import Source
from sequitur.shards.families import is_parted, read_families
from sequitur.shards.format import SpecialIds, TokenizerInfo

TARGETS = {
    "datatrove": "sequitur.shards.exports.datatrove",
    "litdata": "sequitur.shards.exports.litdata",
    "mds": "sequitur.shards.exports.mds",
    "megatron": "sequitur.shards.exports.megatron",
    "olmo": "sequitur.shards.exports.olmo",
}
"""Module of each target by the name that `sequitur export --to` takes."""

Write: TypeAlias = Callable[[Source, Path], dict[str, Any]]
REPORT_NAME = "sequitur-export.json"
_STAGING = ".partial"


class ExportRefused(ShardError, ValueError):
    """The export cannot be made as asked: an unknown target, a directory in use, several datasets, no row that
    fits."""


class Target(NamedTuple):
    """What writes, by its name."""

    name: str  # as the report gives it
    write: Write
    source_digest: str | None = None  # sha256 of its source, where it is from outside this package


@dataclass(frozen=True)
class ExportReport:
    """What was written, and what was not; also the content of sequitur-export.json, which is written last.

    Tokens are those of the source's rows, without pads and next tokens: `tokens + dropped_tokens` are the split's.
    `dropped_rows` counts rows by reason: "short" (of less than S tokens: the format cannot mask their pads) and
    "no_next_token". `row_digest` is of the rows written, as in shards/digest.py. `settings` is what a trainer has to
    be told; `files` is bytes by name; `source_digest` is of a target from outside this package, and absent otherwise.
    """

    target: str
    split: str
    fingerprint: str
    seq_len: int
    tokenizer: TokenizerInfo
    special_ids: SpecialIds
    rows: int
    tokens: int
    dropped_rows: dict[str, int]
    dropped_tokens: int
    row_digest: str
    settings: dict[str, Any]
    files: dict[str, int]
    source_digest: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "source_digest" or value is not None}


def export(
    root: str | PathLike[str],
    target: str | Target,
    out: str | PathLike[str],
    split: str = "train",
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> ExportReport:
    """Write a split of the dataset in `root` for `target` (a name in `TARGETS`, or one's own) into the directory `out`,
    which must be empty or absent. Equal datasets give equal bytes.

    `advance` is told the rows done and the rows in all. Everything is written to a folder within `out`, flushed, and
    renamed at the end, the report last: its presence means that the export is whole. An error or Ctrl-C leaves
    nothing, and what a killed export left is cleared by the next one into the same directory, which starts over. Where
    the very same export is there, whole by the sizes of its files, its report is returned.

    Raises ExportRefused, FormatUnsupported for token ids that the format has no room for, the named errors of damage,
    and OSError. About 60 M tokens a second on one core; memory: a batch or two, and the memory map of a shard.
    """
    name, write, source_digest = target if isinstance(target, Target) else _target(target)
    _refuse_families(Path(root))
    source = Source(root, split, advance)
    if (made := _made_before(Path(out), name, split, source.manifest.fingerprint, source_digest)) is not None:
        return made
    with _staged(Path(out)) as staging:
        settings = write(source, staging)
        _check_taken(source, name, own=name not in TARGETS)
        if not source.rows:
            raise ExportRefused(
                f"no row of split {split!r} can be written for {name}, which needs full ones: its rows are short or "
                "without a next token; pack them with pack.policy: filled"
            )
        report = ExportReport(
            target=name,
            split=split,
            fingerprint=source.manifest.fingerprint,
            seq_len=source.seq_len,
            tokenizer=source.header.tokenizer,
            special_ids=source.header.special_ids,
            rows=source.rows,
            tokens=source.tokens,
            dropped_rows=dict(sorted(source.dropped_rows.items())),
            dropped_tokens=source.dropped_tokens,
            row_digest=source.row_digest,
            settings=settings,
            files={path.relative_to(staging).as_posix(): path.stat().st_size for path in _files(staging)},
            source_digest=source_digest,
        )
        (staging / REPORT_NAME).write_text(json.dumps(report.to_json(), sort_keys=True, indent=1) + "\n")
    return report


def _made_before(
    out: Path, target: str, split: str, fingerprint: str, source_digest: str | None
) -> ExportReport | None:
    """The report of the very same export, where it lies in `out` whole: whoever was killed late may not know."""
    try:
        content = json.loads((out / REPORT_NAME).read_bytes())
        about = {
            "tokenizer": TokenizerInfo(**content["tokenizer"]),
            "special_ids": SpecialIds(**content["special_ids"]),
        }
        report = ExportReport(**{**content, **about})
        sizes = {path.relative_to(out).as_posix(): path.stat().st_size for path in _files(out)}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    sizes.pop(REPORT_NAME)
    asked = (target, split, fingerprint, source_digest)
    same = (report.target, report.split, report.fingerprint, report.source_digest) == asked and report.files == sizes
    return report if same and not (out / _STAGING).exists() else None


def _target(name: str) -> Target:
    if name not in TARGETS:
        raise ExportRefused(f"no target {name!r}: the known ones are {', '.join(TARGETS)}")
    write: Write = importlib.import_module(TARGETS[name]).write
    return Target(name, write)


def _check_taken(source: Source, name: str, *, own: bool) -> None:
    try:
        source.check_totals()
    except TotalsMismatch as error:
        if not own:
            raise
        raise ExportRefused(
            f"{name} did not take every row once: go through source.batches of each of source.n_shards"
        ) from error


def _refuse_families(root: Path) -> None:
    if is_parted(root):
        names = ", ".join(str(root / dataset.directory) for dataset in read_families(root))
        raise ExportRefused(f"{root} holds several datasets: export one of {names}")


@contextmanager
def _staged(out: Path) -> Iterator[Path]:
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
        with suppress(
            OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError
        ):  # cut short, so nothing was moved yet
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
