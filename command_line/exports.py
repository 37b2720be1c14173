"""The command that writes documents and shards in the formats of other programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from sequitur.command_line.common import AsJson, fail, local_shards, print_json
from sequitur.pipeline.names import SHARDS

if TYPE_CHECKING:
    from sequitur.shards.exports import ExportReport, Target
    from sequitur.shards.exports.source import Source

DOCUMENT_TARGETS = ("hf", "jsonl", "parquet")
SHARD_FILES = ("manifest.json", "families.json")
Advance: TypeAlias = Callable[[int, int], None]
_REASONS = {
    "short": "of fewer than {S:,} tokens, whose pads the format cannot mask: pack.policy: filled makes full rows",
    "no_next_token": "without a next token, which the format needs",
}


def export(
    context: typer.Context,
    path: Annotated[
        str,
        typer.Argument(
            help="A run, or its URL; of contexts and tokens also a directory of shards, such as RUN/shards.",
            metavar="path",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Argument(help="Directory to write, empty or new.", show_default=False)],
    target: Annotated[
        str,
        typer.Option(
            "--to",
            help="Documents: hf, jsonl, parquet. Texts of contexts: contexts. Tokens: datatrove, litdata, mds, "
            "megatron, olmo; or a module of your own by import path.",
            show_default=False,
        ),
    ],
    split: Annotated[str, typer.Option(help="Split to write, of contexts and tokens.")] = "train",
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…",
            help="Columns of documents; if not given all but titles, vectors and hashes.",
        ),
    ] = None,
    dropped: Annotated[
        bool, typer.Option("--dropped", help="Write dropped documents, too, with the reason, in files of their own.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write the documents of a run for other programs, or a split of its shards in the format of another trainer.

    It says what is left out and why; everything that is read is checked on the way.
    """
    from sequitur.pipeline.errors import from_storage
    from sequitur.pipeline.progress import Progress
    from sequitur.shards.errors import ShardError
    from sequitur.shards.views.text import harmless, harmless_all

    progress, of_documents = Progress(), target in DOCUMENT_TARGETS
    if not of_documents and (dropped or columns is not None):
        fail(f"--columns and --dropped are of documents, {', '.join(DOCUMENT_TARGETS)}, not of {target}", code=2)

    def advance(done: int, total: int) -> None:
        if not done:
            progress.step(f"export to {target}", total, "parts" if of_documents else "rows")
        progress.update(done)

    try:
        with progress.stage("export"):
            if of_documents:
                names = None if columns is None else [name.strip() for name in columns.split(",")]
                found = _documents(path, target, out, names, dropped, advance)
                lines = _document_lines(found, out)
            else:
                report = _rows(_shards_of(context, path), target, out, split, advance)
                found, lines = report.to_json(), _lines(report, out)
    except ShardError as error:
        fail(harmless(f"{path}: {error}"))
    except OSError as error:
        raise from_storage(error, str(error.filename or out)) from error
    except KeyboardInterrupt:
        fail("interrupted; nothing was written", code=130)
    if as_json:
        print_json(harmless_all(found))
    else:
        sys.stdout.write("".join(f"{harmless(line)}\n" for line in lines))


def _documents(
    path: str, target: str, out: Path, columns: list[str] | None, dropped: bool, advance: Advance
) -> dict[str, Any]:
    from sequitur.api.exports.documents import export_documents
    from sequitur.pipeline import run_directory
    from sequitur.pipeline.storage import Directory

    config = run_directory.read_config(Directory(path))
    return export_documents(config, target, out, columns=columns, dropped=dropped, advance=advance).to_json()


def _rows(path: Path, target: str, out: Path, split: str, advance: Advance) -> ExportReport:
    from sequitur.shards.exports import export as write

    return write(path, _own_target(target) or target, out, split, advance)


def _shards_of(context: typer.Context, path: str) -> Path:
    """The shards that are there, or those of the run that is there."""
    local = local_shards(context, path)
    of_run = local / SHARDS
    return of_run if not any((local / name).exists() for name in SHARD_FILES) and of_run.is_dir() else local


def _own_target(name: str) -> Target | None:
    """The user's own target of this import path, None where the name is none; its mistakes are errors of one line."""
    from sequitur.pipeline import own_modules
    from sequitur.shards.errors import ShardError
    from sequitur.shards.exports import Target

    if not own_modules.is_own(name):
        return None
    own = own_modules.load("--to", name, "write", ("source", "out"))

    def write(source: Source, out: Path) -> dict[str, Any]:
        try:
            settings: dict[str, Any] = dict(own.function(source, out))
            json.dumps(settings)
        except (ShardError, OSError):  # of the shards, or of the disk
            raise
        except Exception as error:
            raise own.failed(error) from error
        return settings

    return Target(name, write, own.digest)


def _document_lines(report: dict[str, Any], out: Path) -> list[str]:
    size, count = sum(report["files"].values()), sum(report["documents"].values())
    tokens = "" if report["tokens"] is None else f"{report['tokens']:,} tokens, "
    lines = [f"wrote    {count:,} documents, {tokens}{size:,} bytes, in {out}"]
    lines += [f"         {number:,} {name}" for name, number in report["documents"].items()]
    lines += [f"left out {number:,} {reason}" for reason, number in report["left_out"].items()]
    return [*lines, f"digest   {report['fingerprint']}"]


def _lines(report: ExportReport, out: Path) -> list[str]:
    size = sum(report.files.values())
    lines = [f"wrote    {report.rows:,} rows, {report.tokens:,} tokens, {size:,} bytes, in {out}"]
    for reason, count in report.dropped_rows.items():
        lines.append(f"dropped  {count:,} rows {_REASONS[reason].format(S=report.seq_len)}")
    if report.dropped_rows:
        share = report.dropped_tokens / (report.tokens + report.dropped_tokens)
        lines.append(f"         with them {report.dropped_tokens:,} tokens, {share:.1%} of the split")
    lines.append(f"digest   {report.row_digest}")
    return lines + [f"set      {name}: {json.dumps(value)}" for name, value in report.settings.items()]
