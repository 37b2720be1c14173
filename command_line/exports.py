"""The command that writes shards in the formats of other trainers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sequitur.command_line.common import AsJson, ShardsPath, fail, print_json
from sequitur.pipeline.terminal import printable

if TYPE_CHECKING:
    from sequitur.shards.exports import ExportReport, Target
    from sequitur.shards.exports.source import Source

_REASONS = {
    "short": "of fewer than {S:,} tokens, whose pads the format cannot mask: pack.policy: filled makes full rows",
    "no_next_token": "without a next token, which the format needs",
}


def export(
    path: ShardsPath,
    out: Annotated[Path, typer.Argument(help="Directory to write, empty or new.", show_default=False)],
    target: Annotated[
        str,
        typer.Option(
            "--to",
            help="Format: datatrove, litdata, mds, megatron, olmo; or a module of your own by import path.",
            show_default=False,
        ),
    ],
    split: Annotated[str, typer.Option(help="Split to write.")] = "train",
    as_json: AsJson = False,
) -> None:
    """Write a split in the format of another trainer; say which rows it cannot hold. Checks every batch on the way."""
    from sequitur.pipeline.errors import from_storage
    from sequitur.pipeline.progress import Progress
    from sequitur.shards.errors import ShardError
    from sequitur.shards.exports import export as write
    from sequitur.shards.views.text import harmless, harmless_all

    progress = Progress()

    def advance(done: int, total: int) -> None:
        if not done:
            progress.step(f"export to {target}", total, "rows")
        progress.update(done)

    try:
        with progress.stage("export"):
            report = write(path, _own_target(target) or target, out, split, advance)
    except ShardError as error:
        fail(harmless(f"{path}: {error}"))
    except OSError as error:
        raise from_storage(error, str(error.filename or out)) from error
    except KeyboardInterrupt:
        fail("interrupted; nothing was written", code=130)
    if as_json:
        print_json(harmless_all(report.to_json()))
    else:
        sys.stdout.write("".join(f"{printable(line)}\n" for line in _lines(report, out)))


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
