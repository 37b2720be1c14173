"""ingest: raw files → `documents`, and `rejects` for the records that could not be read.

    input    one row per record of the input files, in the order of the configuration and of the files
    output   `documents` in parts of about `ingest.part_bytes` of text; `rejects` with file, row and reason
    dropped  records that are too large, not UTF-8, not a JSON object or CSV row, or without text, and pages whose
             text cannot be extracted; each is counted, and the run fails when they are more than
             `ingest.max_reject_share` of all. Records of WARC files that are no pages are counted as skipped
    cost     two passes over the files, of which the first hashes them and counts the lines of large JSONL; one where a
             file lies elsewhere and is read as a whole

The files are divided into *splits* by their sizes alone, so parts are the same whatever the number of workers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.pipeline import artifacts, builds, schemas
from sequitur.pipeline.beam import Rows, WritePart
from sequitur.pipeline.builds import Build
from sequitur.pipeline.errors import InputError, TooManyRejects
from sequitur.pipeline.jobs import Jobs
from sequitur.pipeline.names import DOCUMENTS, NO_TEXT, REJECTS
from sequitur.pipeline.sections import Ingest
from sequitur.pipeline.stage import Estimate, Run
from sequitur.pipeline.storage import Directory
from sequitur.stages.ingest import look, reuse, whole_inputs
from sequitur.stages.ingest.copies import is_copied
from sequitur.stages.ingest.declaration import STAGE
from sequitur.stages.ingest.documents import ReadSplit
from sequitur.stages.ingest.reading_progress import read_of
from sequitur.stages.ingest.splits import (
    InputFile,
    PassedOver,
    Split,
    passed_over,
    plan_splits,
)
from sequitur.stages.shared.columns.arrays import problems_beside
from sequitur.stages.shared.sources.compression import Limits, compression_in, compression_of
from sequitur.stages.shared.sources.extraction import PROCESS_BYTES
from sequitur.stages.shared.sources.input_paths import file_size, is_elsewhere
from sequitur.stages.shared.sources.table_files import largest_batch, largest_pages

BYTES_PER_SECOND = 10e6  # of zstd-compressed JSONL on one core, measured; plain JSONL is faster
WEB_BYTES_PER_SECOND = 0.5e6  # of gzipped WARC: 20 ms a page, measured; HTML that is not compressed is faster
WEB_FORMATS = ("warc", "html", "pdf", "epub")
PACKED_FORMATS = ("parquet", "arrow")  # may hold a text once that many rows have


def _files(run: Run) -> list[InputFile]:
    """The files as they were found when the run began."""
    return [InputFile(*entry[: len(InputFile._fields)]) for entry in run.parameters[DOCUMENTS]["files"]]


def _is_packed(file: InputFile) -> bool:
    """Whether a file may unpack to more. Of one that lies elsewhere the name alone is asked, which takes no time."""
    packed = compression_of(file.path) if is_elsewhere(file.path) else compression_in(file.path)
    return packed is not None or file.kind in PACKED_FORMATS


def estimate(run: Run) -> Estimate:
    settings = run.config.ingest
    files = _files(run)
    packed = {file.path for file in files if _is_packed(file)}
    sizes = {file.path: file_size(file.path) for file in files}
    unpacked = sum(size * (5 if path in packed else 1) for path, size in sizes.items())
    # A part lives as Python strings, as Arrow buffers and as the bytes of its file; a record as bytes and as values.
    # What is packed may be one record, however small.
    record = settings.max_record_bytes if packed else min(settings.max_record_bytes, max(sizes.values()))
    each = 6 * settings.part_bytes + 4 * record
    limits = Limits.of(settings)
    at_once = {"arrow": largest_batch, "parquet": largest_pages}
    each += max((at_once[file.kind](file.path, limits) for file in files if file.kind in at_once), default=0)
    if any(file.kind in WEB_FORMATS for file in files):
        each += PROCESS_BYTES
    return Estimate(memory=0, disk=unpacked, each_worker=each, elements=len(plan_splits(settings, files)))


def work(run: Run) -> Mapping[str, Any]:
    settings, documents = run.config.ingest, run.build(DOCUMENTS)
    rejects = builds.begin(run.artifact(REJECTS), documents.fingerprint, kept=() if run.updating else None)
    files = _files(run)
    beside = passed_over(settings, files)
    _tell_passed_over(run, beside)
    splits = plan_splits(settings, files)
    done = {part.name: about for part, about in builds.written(documents).items()}
    hashed = documents.directory.exists(whole_inputs.INPUTS)
    if not done and not hashed:  # not where an interrupted run goes on
        run.progress.step("ingest: looking into the files")
        for line in look.check(settings, look.look_into(settings, files)):
            run.progress.say(f"warning: {line}")
    if not hashed or any(split.is_of_lines and _resumed(done, split) for split in splits):
        splits = _numbered(run.jobs, documents, settings, splits)
    whole = [] if settings.limit else [file.path for file in files]  # a first try reads no more than it must
    if run.updating and whole:  # what was made of a file before is known by all of its bytes
        whole_inputs.write(run.jobs, documents, whole)
        _write_keys(run, documents, splits)
        reuse.take_over(documents, rejects, splits, (STAGE.name, STAGE.version))
        done = {part.name: about for part, about in builds.written(documents).items()}
    left = [split for split in (_resumed(done, split) for split in splits) if split is not None]
    if left:
        read = ReadSplit(run.config.name, settings, rejects, run.config.seed, documents)

        def build(pipeline: beam.Pipeline) -> None:
            _ = (
                pipeline
                | "Splits" >> beam.Create([split.to_json() for split in left])
                | "Spread" >> beam.Reshuffle()
                | "Read" >> beam.ParDo(read).with_output_types(Rows)
                | "Write" >> beam.ParDo(WritePart(documents, compress=True))
            )

        sizes = {file: file_size(file.path) for file in {file for split in splits for file in split.files}}
        seconds = sum(
            size / (WEB_BYTES_PER_SECOND if file.kind in WEB_FORMATS else BYTES_PER_SECOND)
            for file, size in sizes.items()
        )
        with run.jobs.watching(documents, sum(sizes.values()), "ingest: reading", "bytes", read_of(splits, sizes)):
            run.runner.run(build, len(left), seconds)
    digest = whole_inputs.write(run.jobs, documents, whole)
    if whole:
        _write_keys(run, documents, splits)
    refused = sum(part.rows for part in builds.written_parts(rejects))
    builds.finish(rejects, {}, {}, {"rows": refused})
    parts = builds.written(documents)
    kept = sum(part.rows for part in parts)
    _check_rejects(settings, rejects.directory, kept, refused)
    names = ("text_bytes", "skipped", "untimed", "unsampled")
    text_bytes, skipped, untimed, unsampled = (sum(int(about[name]) for about in parts.values()) for name in names)
    if untimed:
        run.progress.say(
            f"warning: {untimed:,} of {kept:,} documents have no time that can be read in the field "
            f"{settings.timestamp_field}; what it holds stays in their metadata"
        )
    return {
        "records": kept + refused + unsampled,
        "documents": kept,
        "rejected": refused,
        "skipped": skipped,
        "unsampled": unsampled,
        "text_bytes": text_bytes,
        "untimed": untimed,
        "hidden_files": len(beside.hidden),
        "no_files": len(beside.no_files),
        "other_files": dict(Counter(beside.others.values())),
        whole_inputs.STATISTIC: digest,
    }


def _write_keys(run: Run, documents: Build, splits: Sequence[Split]) -> None:
    digests = dict(documents.directory.read_json(whole_inputs.INPUTS))
    reuse.write_keys(documents, splits, run.parameters[DOCUMENTS], digests)


def _tell_passed_over(run: Run, beside: PassedOver) -> None:
    if beside.hidden:
        run.progress.say(
            f"{len(beside.hidden):,} files are passed over, whose names begin with . or _, as {beside.hidden[0]}"
        )
    for kind, count in Counter(beside.others.values()).most_common():
        example = next(path for path in beside.others if beside.others[path] == kind)
        run.progress.say(f"{count:,} files are passed over that hold no text ({kind}), as {example}")
    if beside.no_files:
        run.progress.say(
            f"warning: {len(beside.no_files):,} names are no files, or links that lead nowhere or to what is read "
            f"already, as {beside.no_files[0]}"
        )


def _numbered(jobs: Jobs, documents: Build, settings: Ingest, splits: list[Split]) -> list[Split]:
    """Hashes the files, but for those that are copied and hashed when they are read. Meanwhile the lines are counted of
    those that are read in stretches, so that each split knows its first row."""
    if settings.limit:  # a first try reads no more than it must
        return splits
    stretch = int(settings.split_bytes)
    stretches = {
        file.path: stretch if split.is_of_lines else 0
        for split in splits
        for file in split.files
        if not is_copied(file, split)
    }
    seen = whole_inputs.look_through(jobs, documents, stretches)
    counts = Counter(split.files[0].path for split in splits if split.is_of_lines)
    rows = {path: iter(whole_inputs.first_rows(seen[path], count)) for path, count in counts.items()}
    return [
        replace(split, first_row=next(rows[split.files[0].path])) if split.is_of_lines else split for split in splits
    ]


def _resumed(done: Mapping[str, Mapping[str, Any]], split: Split) -> Split | None:
    """The split from where an interrupted run left it, with the metadata of parts by name; None where it is done."""
    piece, position = 0, 0
    while (about := done.get(split.part_name(piece))) is not None:
        if about["last"] == "1":
            return None
        piece, position = piece + 1, int(about["next_record"])
    return replace(split, resume_piece=piece, resume_at=position)


def _check_rejects(settings: Ingest, rejects: Directory, kept: int, refused: int) -> None:
    total = kept + refused
    if total == 0:
        raise InputError(f"{', '.join(each.path for each in settings.inputs)}: no records in the input; nothing to do")
    if refused <= settings.max_reject_share * total:
        return
    counts, firsts = Counter[str](), dict[str, dict[str, Any]]()
    for part in artifacts.require_manifest(rejects).parts:
        records = artifacts.read_part(rejects, part, ["source_file", "source_row", "reason", "detail"])
        reasons = pc.cast(records["reason"], pa.string())
        for entry in pc.value_counts(reasons).to_pylist():
            counts[entry["values"]] += entry["counts"]
            if entry["values"] not in firsts:
                firsts[entry["values"]] = records.slice(pc.index(reasons, entry["values"]).as_py(), 1).to_pylist()[0]
    most, count = counts.most_common(1)[0]
    first = firsts[most]
    remedy = (
        "set ingest.text_field"
        if most == NO_TEXT and first["detail"].startswith("no field")
        else f"see {rejects.url}, mend the input or raise ingest.max_reject_share"
    )
    raise TooManyRejects(
        f"{refused:,} of {total:,} records ({refused / total:.1%}) could not be read, more than "
        f"ingest.max_reject_share = {settings.max_reject_share:.1%}; {count:,} for {most}, the "
        f"first in {first['source_file']} row {first['source_row']} ({first['detail']}); {remedy}"
    )


def verify(run: Run) -> Iterable[str]:
    yield from artifacts.schema_problems(run.artifact(DOCUMENTS), schemas.DOCUMENTS)
    yield from problems_beside(run.artifact(REJECTS), schemas.REJECTS, run.artifact(DOCUMENTS))
    whole_inputs.read(run.artifact(DOCUMENTS))
