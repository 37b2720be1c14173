"""Writing what is whole of a damaged dataset as a new one, sound in itself.

A batch is whole if its CRC-32 is that of the manifest and its rows keep every rule; a row is, if the documents table
that is left still knows all its documents. Whole rows keep their content, `context_id` and `group_id`, and their order;
the new manifest says under `order.contexts` how many contexts there were. Documents of which no piece is left leave
docs/, and tokens that are lost of others count as dropped.

What cannot be done without: manifest.json, whose checksums tell what is whole, and tokenizer.json.

    salvage.json    beside the new manifest.json: what was left out, and why; with a checksum of its own
"""

import shutil
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from sequitur.shards.atomic import flush_directory, write_bytes
from sequitur.shards.errors import NothingWhole, OutputRefused, ShardError
from sequitur.shards.families import dataset_entry, families_json, is_parted, read_families_file, router_file
from sequitur.shards.files import file_size
from sequitur.shards.format import FAMILIES_NAME, MANIFEST_NAME, SALVAGE_NAME
from sequitur.shards.json_files import checksummed_json
from sequitur.shards.manifest import manifest_json, read_manifest
from sequitur.shards.placement import Placements, read_docs
from sequitur.shards.salvage.reading import whole_batches, whole_docs
from sequitur.shards.salvage.writing import Copied, finish, write_split
from sequitur.shards.side_files import hashed_file_problems, tokenizer_problems
from sequitur.shards.verify import Progress, problems


@dataclass(frozen=True)
class Salvaged:
    """What is left of a dataset, by split: `rows` and `rows_before`; and over all, tokens and documents.

    `left_out` are the problems of the batches and files that were.
    """

    directory: str  # below that of families.json; empty where there is one dataset
    rows: dict[str, int]
    rows_before: dict[str, int]
    tokens: int
    tokens_before: int
    documents: int
    documents_before: int
    left_out: tuple[ShardError, ...]


def salvage(
    root: str | PathLike[str], out: str | PathLike[str], *, progress: Progress = lambda read: None
) -> list[Salvaged]:
    """Write what is whole of the dataset in `root`, or of each that its families.json lists, to `out`.

    `out` must not be there, or be empty; it appears when all is written and verified, and `root` is only read. The same
    damage gives the same bytes. Reads the shards twice, and what is written once; memory for some batches at a time.

    Raises OutputRefused; NothingWhole; ManifestMissing, ManifestInvalid or another of a manifest that cannot be
    trusted; TokenizerMismatch.
    """
    source, target = Path(root).resolve(), Path(out).resolve()
    _check_target(source, target)
    partial = target.with_name(f".{target.name}.partial")  # of this call, or of one that was killed
    shutil.rmtree(partial, ignore_errors=True)
    try:
        parted = is_parted(source)
        done = _salvage_all(source, partial, progress) if parted else [_salvage_one(source, partial, "", progress)]
        for problem in problems(partial, progress=progress):
            raise NothingWhole(f"what is left is not sound ({problem}): the source was written wrongly; pack it again")
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(target)
        flush_directory(target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return done


def _check_target(source: Path, target: Path) -> None:
    if target == source or source in target.parents or target in source.parents:
        raise OutputRefused(f"{target}: lies in the source, or around it; choose another place")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise OutputRefused(f"{target}: is there and not empty; choose another place")


def _salvage_all(source: Path, target: Path, progress: Progress) -> list[Salvaged]:
    families = read_families_file(source)
    done, listed = [], []
    for entry in families.datasets:
        try:
            done.append(_salvage_one(source / entry.directory, target / entry.directory, entry.directory, progress))
        except ShardError as error:
            done.append(_nothing(entry.directory, error))
            continue
        manifest = read_manifest(target / entry.directory)
        listed.append(dataset_entry(entry.family, entry.directory, manifest))
    if not listed:
        raise NothingWhole(f"{source}: no batch of any of its datasets is whole; write them anew")
    router = []
    for file in families.router:
        try:
            file_size(source, file.path)
            content = (source / file.path).read_bytes()
        except (ShardError, OSError):
            continue
        if router_file(file.path, content) == file:
            router.append(file)
            write_bytes(target / file.path, content)
    write_bytes(target / FAMILIES_NAME, families_json(listed, router).encode())
    return done


def _nothing(directory: str, error: ShardError) -> Salvaged:
    return Salvaged(directory, {}, {}, 0, 0, 0, 0, (error.within(directory),))


def _salvage_one(source: Path, target: Path, directory: str, progress: Progress) -> Salvaged:
    manifest = read_manifest(source)
    for problem in tokenizer_problems(source, manifest.header):
        raise problem
    left_out: list[ShardError] = []
    files = list(whole_docs(source, manifest, left_out))
    for removal in manifest.removals:
        left_out += hashed_file_problems(source, removal, MANIFEST_NAME)
    docs = read_docs(source, files, list(manifest.splits))
    whole = {split: list(whole_batches(source, manifest, split, docs, left_out, progress)) for split in manifest.splits}
    whole = {split: batches for split, batches in whole.items() if batches}
    if not whole:
        raise NothingWhole(f"no batch is whole, or none with all its documents in docs/; first: {left_out[0]}")
    copied = Copied(Placements(manifest.order), {}, {})
    shards = {
        split: write_split(target, manifest, split, batches, copied, progress) for split, batches in whole.items()
    }
    new = finish(source, target, manifest, shards, copied, files, docs)
    salvaged = Salvaged(
        directory=directory,
        rows={split: entry.rows for split, entry in new.splits.items()},
        rows_before={split: entry.rows for split, entry in manifest.splits.items()},
        tokens=sum(entry.tokens for entry in new.splits.values()),
        tokens_before=sum(entry.tokens for entry in manifest.splits.values()),
        documents=sum(file.rows for file in new.docs_table),
        documents_before=sum(file.rows for file in manifest.docs_table),
        left_out=tuple(left_out),
    )
    write_bytes(target / SALVAGE_NAME, checksummed_json({"from": manifest.fingerprint, **record(salvaged)}).encode())
    write_bytes(target / MANIFEST_NAME, manifest_json(new).encode())
    return replace(
        salvaged, left_out=tuple(problem.within(directory) if directory else problem for problem in left_out)
    )


def record(salvaged: Salvaged) -> dict[str, Any]:
    """`salvaged` as JSON."""
    left_out = [problem.described() for problem in salvaged.left_out]
    return {**asdict(replace(salvaged, left_out=())), "left_out": left_out}
