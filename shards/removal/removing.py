"""Taking documents out of finished shards: their tokens, their rows of docs/, and nothing else.

What is rewritten goes under new names, then the removal record, and then manifest.json by one rename: a reader finds
the old dataset or the new one, whenever the writer is killed. Files that are no longer listed are deleted last. What
was begun is noted before the first change, and what a killed call left is finished by the next one, whatever that
removes. tokenizer.json stays: it was trained before.

    removals/removal-00001.json    what was asked, the ids and tokens of the documents, what became of the files
    _removal.json                  what was begun, until it is finished
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, pairwise
from os import PathLike
from pathlib import Path
from typing import Literal, NamedTuple

from sequitur.shards.alone import alone
from sequitur.shards.atomic import TEMPORARY, writing
from sequitur.shards.errors import ShardError
from sequitur.shards.families import dataset_directories, dataset_entry, families_json, read_families_file
from sequitur.shards.find import Advance, Query, common_unknown, refuse_unknown, select
from sequitur.shards.format import FAMILIES_NAME, MANIFEST_NAME
from sequitur.shards.manifest import Manifest, manifest_json, read_manifest
from sequitur.shards.parts import parts
from sequitur.shards.removal.intent import Intent, forget_intent, read_intent, write_intent
from sequitur.shards.removal.plan import Plan, make_plan
from sequitur.shards.removal.record import without_removed
from sequitur.shards.removal.writing import settle, write_removal

Contexts = Literal["repack", "drop"]
_REMEDY = "correct them, or add --missing-ok where not all need be here"


class RemovalRefused(ShardError, ValueError):
    """Nothing was changed: nothing to train on would be left, the dataset is one of several that hold the documents
    together, or another process is removing."""


@dataclass(frozen=True)
class Removal:
    """What a removal did, or would do, to one dataset; `directory` is the dataset's, below that of families.json.

    `tokens` are those of the documents asked for, in contexts. `other_documents` lie in no context any more because all
    of theirs were dropped, and `other_tokens` are all tokens that documents not asked for lost. `contexts_changed`
    are shorter now, `contexts_gone` are no more, of `next_tokens_gone` only the token after them is gone.
    `fingerprint_after` and `record` are None where nothing was written.
    """

    directory: str
    documents: int
    tokens: int
    other_documents: int
    other_tokens: int
    contexts_changed: int
    contexts_gone: int
    next_tokens_gone: int
    shards: int
    shards_rewritten: int
    fingerprint_before: str
    fingerprint_after: str | None
    record: str | None


class Outcome(NamedTuple):
    """What was done to each dataset that held one of the documents, and whether a removal begun earlier was finished:
    what that one had done before is not told again."""

    removals: list[Removal]
    resumed: bool


def remove(
    root: str | PathLike[str],
    query: Query,
    *,
    contexts: Contexts = "repack",
    missing_ok: bool = False,
    dry_run: bool = False,
    advance: Advance = lambda step, done, total: None,
) -> list[Removal]:
    """Take the documents that `query` names out of the dataset in `root`, or out of all that its families.json lists.

    - contexts "repack": their pieces are cut out, the rest of a context moves up, and its tail is padded; a context
      that holds nothing else is left out. "drop": every context that holds one of them is left out whole, and other
      documents lose the tokens that they had there.
    - missing_ok: names that no document has are passed over, as a request over several datasets needs it. Otherwise
      they raise DocumentUnknown, unless an earlier removal took them out.
    - dry_run: nothing is written.
    - advance: told what is being done, how much of it is done, and how much there is.

    Returns what was done to each dataset that held one of the documents. A removal that was begun here and not finished
    is finished first, whatever it was. Rewrites only the shards that hold a token of theirs, after checking the CRC-32
    of each batch; the columns of pieces are read in all shards. Disk: as much again as the shards rewritten, until the
    old ones are deleted.

    Raises RemovalRefused, DocumentUnknown, and the named errors of damage.
    """
    with removing(root, query, contexts=contexts, missing_ok=missing_ok, dry_run=dry_run, advance=advance) as outcome:
        return outcome.removals


@contextmanager
def removing(
    root: str | PathLike[str],
    query: Query,
    *,
    contexts: Contexts = "repack",
    missing_ok: bool = False,
    dry_run: bool = False,
    advance: Advance = lambda step, done, total: None,
) -> Iterator[Outcome]:
    """As `remove`, done when the block begins; but it counts as unfinished until the block has ended well, so that what
    follows from a removal elsewhere can be done there, and is done again by whoever repeats it."""
    base = Path(root)
    _refuse_part(base)
    dataset_directories(base)  # raises where there is none
    refusal = RemovalRefused(f"{base}: another process is removing documents here; wait for it")
    with alone(base, refusal):
        begun = None if dry_run else read_intent(base)
        done = [] if begun is None else _take_out(base, begun, advance, missing_ok=True, begun=True)
        asked = Intent(query, contexts)
        done += _take_out(base, asked, advance, missing_ok=missing_ok, dry_run=dry_run, begun=begun is not None)
        yield Outcome(done, begun is not None)
        if not dry_run:
            forget_intent(base)


def _take_out(
    base: Path, intent: Intent, advance: Advance, *, missing_ok: bool, dry_run: bool = False, begun: bool
) -> list[Removal]:
    """`begun` tells that a removal is unfinished, which then stays noted whatever happens here."""
    directories = dataset_directories(base)
    if not dry_run:
        for directory in directories:
            settle(base / directory, read_manifest(base / directory))
    manifests = {directory: read_manifest(base / directory) for directory in directories}
    plans = _plans(base, manifests, intent, missing_ok, advance)
    _refuse_nothing_left(base, manifests, plans)
    if dry_run:
        return [_told(directory, manifests[directory], some, None) for directory, some in plans.items()]
    if plans:
        write_intent(base, intent)
    done = []
    try:
        for directory, some in plans.items():
            new = _write(base / directory, manifests[directory], some, intent.query, advance)
            done.append(_told(directory, manifests[directory], some, new))
        _renew_families(base)
    except BaseException:
        if not begun and all(read_manifest(base / name) == manifest for name, manifest in manifests.items()):
            forget_intent(base)
        raise
    return done


def _plans(
    base: Path, manifests: dict[str, Manifest], intent: Intent, missing_ok: bool, advance: Advance
) -> dict[str, list[Plan | None]]:
    """Of each dataset that holds one of the documents the plan of each of its parts, None for one that holds none."""
    query = intent.query
    chosen = {
        directory: [(part, select(base / directory, part, query)) for part in parts(manifest)]
        for directory, manifest in manifests.items()
    }
    if not missing_ok:
        unknown = common_unknown([asked.unknown for of_parts in chosen.values() for _, asked in of_parts])
        for directory, manifest in manifests.items():
            unknown = without_removed(base / directory, manifest, unknown)
        refuse_unknown(unknown, query, _REMEDY)
    drop = intent.contexts == "drop"
    return {
        directory: [
            make_plan(base / directory, part, asked, drop=drop, advance=advance) if len(asked.key) else None
            for part, asked in of_parts
        ]
        for directory, of_parts in chosen.items()
        if any(len(asked.key) for _, asked in of_parts)
    }


def _write(root: Path, manifest: Manifest, plans: Sequence[Plan | None], query: Query, advance: Advance) -> Manifest:
    try:
        new = write_removal(root, manifest, plans, query, advance)
        with writing(root / MANIFEST_NAME) as file:
            file.write(manifest_json(new).encode())
    finally:
        settle(root, read_manifest(root))  # the old one's files, if it did not come to the renaming
    return new


def _told(directory: str, manifest: Manifest, of_parts: Sequence[Plan | None], new: Manifest | None) -> Removal:
    plans = [plan for plan in of_parts if plan is not None]
    return Removal(
        directory=directory,
        documents=sum(len(plan.asked.key) for plan in plans),
        tokens=sum(plan.tokens for plan in plans),
        other_documents=sum(len(plan.gone) for plan in plans),
        other_tokens=sum(plan.other_tokens for plan in plans),
        contexts_changed=sum(plan.contexts_changed for plan in plans),
        contexts_gone=sum(plan.contexts_gone for plan in plans),
        next_tokens_gone=sum(plan.next_tokens_gone for plan in plans),
        shards=sum(len(split.shards) for split in manifest.splits.values()),
        shards_rewritten=sum(
            _rewritten(part, plan) for part, plan in zip(parts(manifest), of_parts, strict=True) if plan is not None
        ),
        fingerprint_before=manifest.fingerprint,
        fingerprint_after=None if new is None else new.fingerprint,
        record=None if new is None else new.removals[-1].path,
    )


def _rewritten(part: Manifest, plan: Plan) -> int:
    """How many shards of a part lose something."""
    starts = {name: [0, *accumulate(shard.rows for shard in split.shards)] for name, split in part.splits.items()}
    return sum(
        int(plan.rows[name].touched[first:last].any())
        for name, rows in starts.items()
        for first, last in pairwise(rows)
    )


def _refuse_part(base: Path) -> None:
    """A dataset that a families.json lists shares its documents, or their family, with the others."""
    here = base.resolve()
    for parent in list(here.parents)[:2]:
        directory = here.relative_to(parent).as_posix()
        if (parent / FAMILIES_NAME).is_file() and directory in dataset_directories(parent):
            raise RemovalRefused(
                f"{base} is one of the datasets in {parent / FAMILIES_NAME}: give {parent}, so that none keeps a part"
            )


def _refuse_nothing_left(base: Path, manifests: dict[str, Manifest], plans: dict[str, list[Plan | None]]) -> None:
    left = 0
    for directory, manifest in manifests.items():
        for split in manifest.splits.keys() & {"train"} or manifest.splits:
            rows = [plan.rows[split] for plan in plans.get(directory, ()) if plan is not None and split in plan.rows]
            left += manifest.splits[split].rows - sum(int(change.emptied.sum()) for change in rows)
    if not left:
        raise RemovalRefused(f"{base}: no context would be left to train on; delete the directory instead")


def _renew_families(base: Path) -> None:
    """Have families.json list the datasets as they are now."""
    if dataset_directories(base) == [""]:
        return
    (base / f"{TEMPORARY}{FAMILIES_NAME}").unlink(missing_ok=True)
    families = read_families_file(base)
    datasets = [
        dataset_entry(one.family, one.directory, read_manifest(base / one.directory)) for one in families.datasets
    ]
    if tuple(datasets) != families.datasets:
        with writing(base / FAMILIES_NAME) as file:
            file.write(families_json(datasets, families.router).encode())
