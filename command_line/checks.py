"""Commands that look for damage."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sequitur.command_line.common import AsJson, copied, fail, print_json
from sequitur.pipeline.names import SHARDS
from sequitur.pipeline.terminal import one_line

if TYPE_CHECKING:
    from sequitur.pipeline.progress import Progress
    from sequitur.pipeline.storage import Directory
    from sequitur.shards.salvage.salvaging import Salvaged

CheckedPath = Annotated[
    str,
    typer.Argument(
        metavar="PATH", help="Run directory, or a directory of shards such as RUN/shards.", show_default=False
    ),
]
MIB = 1 << 20
Problem = dict[str, Any]  # kind: the error's class, or None; shard, batch, offset: or None; message: one line


def verify(
    path: CheckedPath,
    full: Annotated[
        bool, typer.Option("--full", help="Of shards, read every byte; of a run this is always done.")
    ] = False,
    salvage: Annotated[
        str | None,
        typer.Option(metavar="OUT", help="Write what is whole of the shards to this directory, as sound shards."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a run, or shards alone. Prints one line for each problem; ends with 0 if there are none, else with 1.

    Of a run and its extensions: checksums, schemas, lineage, the ledger, and all of the shards. Of shards, without
    --full: the manifest, the tokenizer, which files are there, their sizes and schemas, and where rows lie. With --full
    also every byte: CRC, SHA-256, tokens, digests, and that each document is placed once.
    """
    from sequitur.pipeline.progress import Progress
    from sequitur.pipeline.storage import Directory

    directory, progress = Directory(path), Progress()
    alone = _holds_shards(directory)
    try:
        with progress.stage("verify"):
            if salvage is not None:
                _salvage(directory if alone else directory / SHARDS, salvage, as_json, progress)
                return
            full = full or not alone
            found = _of_shards(directory, full, progress) if alone else _of_run(directory, progress)
    except KeyboardInterrupt:
        fail("interrupted; nothing was written", code=130)
    _tell(path, full, found, as_json)


def _holds_shards(directory: Directory) -> bool:
    """Whether it is one of shards, of which the manifest may be what is missing."""
    names = set(directory.names())
    return bool({"manifest.json", "families.json"} & names) or {"docs", "train"} <= names


def _of_run(directory: Directory, progress: Progress) -> list[Problem]:
    from sequitur import beam_job
    from sequitur.pipeline import run_directory
    from sequitur.pipeline.extensions import extensions_of
    from sequitur.pipeline.stage import Run

    lines: list[str] = []
    for root in (directory, *extensions_of(directory)):
        lines += run_directory.problems(beam_job.RECIPE, Run(run_directory.read_config(root), progress=progress))
    return [{"kind": None, "shard": None, "batch": None, "offset": None, "message": line} for line in lines]


def _of_shards(directory: Directory, full: bool, progress: Progress) -> list[Problem]:
    from sequitur.shards.verify import bytes_to_read, problems

    with copied(directory) as root:
        read = _Bytes(progress, bytes_to_read(root) if full else None)
        return [problem.described() for problem in problems(root, full=full, progress=read.add)]


def _salvage(directory: Directory, out: str, as_json: bool, progress: Progress) -> None:
    from sequitur.shards.errors import ShardError
    from sequitur.shards.salvage.salvaging import salvage
    from sequitur.shards.verify import bytes_to_read

    try:
        with copied(directory) as root:
            read = _Bytes(progress, 3 * bytes_to_read(root))  # looked through, copied, and what was written verified
            done = salvage(root, out, progress=read.add)
    except ShardError as error:
        fail(f"{directory.url}: nothing was written: {one_line(str(error))}")
    except OSError as error:
        fail(f"{error.filename or out}: {error.strerror or error}; mend that and repeat the same command")
    _tell_salvaged(directory.url, out, done, as_json)


class _Bytes:
    """Tells of bytes read, in MiB."""

    def __init__(self, progress: Progress, total: int | None) -> None:
        self._progress, self._read = progress, 0
        progress.step("verify: shards", total // MIB if total else None, "MiB")

    def add(self, count: int) -> None:
        self._read += count
        self._progress.update(self._read // MIB)


def _tell(path: str, full: bool, found: list[Problem], as_json: bool) -> None:
    if as_json:
        print_json({"path": path, "full": full, "sound": not found, "problems": found})
        raise typer.Exit(1 if found else 0)
    for problem in found:
        sys.stdout.write(one_line(problem["message"]) + "\n")
    if found:
        rest = "" if full else "; --full reads every byte"
        fail(f"{path}: {len(found):,} problem{'s' * (len(found) > 1)}{rest}")
    so_far = "" if full else " as far as the manifest, sizes, schemas and the order of rows go; --full reads every byte"
    sys.stdout.write(f"{one_line(path)}: sound{so_far}\n")


def _tell_salvaged(path: str, out: str, done: list[Salvaged], as_json: bool) -> None:
    from sequitur.shards.salvage.salvaging import record

    left_out: list[Problem] = [problem.described() for one in done for problem in one.left_out]
    if as_json:
        salvaged = [record(one) for one in done]
        print_json({"path": path, "full": True, "sound": not left_out, "problems": left_out, "salvaged": salvaged})
        return
    for problem in left_out:
        sys.stdout.write(f"left out: {one_line(problem['message'])}\n")
    for one in done:
        rows = ", ".join(
            f"{one.rows.get(name, 0):,} of {n:,} contexts of {name}" for name, n in one.rows_before.items()
        )
        documents = f"{one.documents:,} of {one.documents_before:,} documents"
        tokens = f"{one.tokens:,} of {one.tokens_before:,} tokens"
        if one.rows:
            line = f"{'/'.join(filter(None, [out, one.directory]))}: {rows}; {documents}; {tokens}"
            sys.stdout.write(f"{one_line(line)}\n")
