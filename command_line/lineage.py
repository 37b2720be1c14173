"""Commands that follow documents into shards, and take them out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sequitur.command_line.common import AsJson, DatasetPath, fail, print_json
from sequitur.command_line.shards_of_run import is_told, renew_report, run_of
from sequitur.pipeline.terminal import printable

if TYPE_CHECKING:
    from sequitur.pipeline.progress import Progress
    from sequitur.shards.find import Found, Query
    from sequitur.shards.removal.removing import Removal

DocIds = Annotated[
    Path | None,
    typer.Option(
        "--doc-ids",
        metavar="FILE",
        help="File of documents, a doc_id or record_id on each line; or the JSON record of an earlier removal.",
    ),
]
DocId = Annotated[list[str], typer.Option("--doc-id", metavar="ID", help="A doc_id or record_id; may be repeated.")]
Sources = Annotated[list[str], typer.Option("--source", help="All documents of a source; may be repeated.")]
Licenses = Annotated[list[str], typer.Option("--license", help="All documents under a licence; may be repeated.")]
Urls = Annotated[list[str], typer.Option("--url", help="All documents of a URL; may be repeated.")]
MissingOk = Annotated[
    bool, typer.Option("--missing-ok", help="Pass over names that no document has, rather than refuse.")
]


def remove(
    path: Annotated[
        str, typer.Argument(help="Directory of shards, such as RUN/shards, or a run's.", show_default=False)
    ],
    doc_ids: DocIds = None,
    doc_id: DocId = [],  # noqa: B006 - typer reads it, nobody writes it
    source: Sources = [],  # noqa: B006
    license_: Licenses = [],  # noqa: B006
    url: Urls = [],  # noqa: B006
    contexts: Annotated[
        Literal["repack", "drop"],
        typer.Option(
            help="repack: the rest of a context moves up, its tail is padded. drop: the whole context goes, and other "
            "documents lose the tokens they had there."
        ),
    ] = "repack",
    missing_ok: MissingOk = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take documents out of finished shards: by id, source, licence or URL, each that is named in any way.

    Rewrites the shards that hold a token of theirs, docs/ and the manifest, and keeps a removal record with the shards.
    Needs nothing of the run; where the shards lie in one, its ledger and report are renewed. The run's other artifacts
    and tokenizer.json are left as they are.
    """
    from sequitur.api.artifact_of_shards import renew_artifact
    from sequitur.command_line import removal_elsewhere as elsewhere
    from sequitur.pipeline import lock, nearby
    from sequitur.pipeline.progress import Progress
    from sequitur.pipeline.storage import Directory
    from sequitur.shards.errors import ShardError
    from sequitur.shards.removal.removing import removing
    from sequitur.shards.views.show import dataset_root

    query, progress = _query(doc_ids, doc_id, source, license_, url), Progress()
    place, report = Directory(path), None
    if place.is_local:
        shards = Directory(str(dataset_root(Path(place.path()))))
        run = run_of(Path(shards.url), progress)
        alone = nullcontext() if run is None or dry_run else lock.exclusive(run.root)
    else:
        shards = elsewhere.dataset_at(place)
        run = elsewhere.run_at(shards)
        alone = nullcontext() if dry_run else lock.exclusive(shards if run is None else run.root)
    take_out = partial(removing, query=query, contexts=contexts, missing_ok=missing_ok, dry_run=dry_run)
    try:
        with alone, nearby.copied(shards, progress) as root, ExitStack() as unfinished:
            before = {} if shards.is_local else elsewhere.states(root)
            with progress.stage("remove"):
                if not shards.is_local and not dry_run:
                    unfinished.enter_context(elsewhere.unfinished_at(shards))
                done, resumed = unfinished.enter_context(take_out(root, advance=_advance(progress)))
                if run is not None and not dry_run:
                    renewed = renew_artifact(Directory(str(root)), root)
                if not shards.is_local and not dry_run:
                    elsewhere.put_back(root, before, shards)
            if run is not None and not dry_run and (done or resumed or renewed or not is_told(run)):
                report = renew_report(run)
    except ShardError as error:
        fail(f"{path}: {error}")
    except OSError as error:
        fail(f"{error.filename or path}: {error.strerror or error}; mend that and repeat the same command")
    except KeyboardInterrupt:
        fail("interrupted; the shards are as before, or as they should be: the same command sees to the rest", code=130)
    if as_json:
        told = {"dry_run": dry_run, "resumed": resumed, "removals": [asdict(one) for one in done], "report": report}
        print_json(told)
        return
    sys.stdout.write("".join(f"{printable(line)}\n" for line in _lines(done, dry_run, resumed)))
    if report is not None:
        progress.say(f"report     {report}")
    if run is not None and done and not dry_run:
        progress.say(f"note       the other artifacts of {run.root.place()} still hold the documents, and so do copies")


def find(
    path: DatasetPath,
    doc_ids: DocIds = None,
    doc_id: DocId = [],  # noqa: B006
    source: Sources = [],  # noqa: B006
    license_: Licenses = [],  # noqa: B006
    url: Urls = [],  # noqa: B006
    missing_ok: MissingOk = False,
    as_json: AsJson = False,
) -> None:
    """List every piece of some documents: split, row, shard, place in the context and place in the document.

    Reads the documents table and the columns of pieces; no tokens. Prints as it finds.
    """
    from sequitur.pipeline.progress import Progress
    from sequitur.shards.errors import ShardError
    from sequitur.shards.find import find as pieces_of
    from sequitur.shards.views.show import dataset_root

    query, progress, count = _query(doc_ids, doc_id, source, license_, url), Progress(), 0
    out = sys.stdout  # bars would take its place
    try:
        with nullcontext() if out.isatty() else progress.stage("find"):
            found = pieces_of(dataset_root(path), query, missing_ok=missing_ok, advance=_advance(progress))
            for count, piece in enumerate(found, 1):
                if as_json:
                    out.write(('{"pieces": [' if count == 1 else ", ") + json.dumps(piece._asdict()))
                else:
                    out.write(_piece_line(piece) + "\n")
    except ShardError as error:
        fail(f"{path}: {error}")
    except KeyboardInterrupt:
        fail("interrupted; nothing was changed", code=130)
    if as_json:
        sys.stdout.write("]}\n" if count else '{"pieces": []}\n')
    else:
        progress.say(f"{count:,} pieces")


def locate(
    path: DatasetPath,
    token: Annotated[int, typer.Option(min=0, help="Place of the token in its context, from 0.", show_default=False)],
    row: Annotated[int | None, typer.Option(min=0, help="Row of the split, from 0.")] = None,
    context: Annotated[int | None, typer.Option(min=0, help="Context by its context_id, instead of a row.")] = None,
    split: Annotated[str, typer.Option(help="Split to look into.")] = "train",
    as_json: AsJson = False,
) -> None:
    """Tell which document a token of a context is of: source file and row, and the token's place in the document."""
    from sequitur.shards.attribution import Attribution
    from sequitur.shards.errors import ShardError
    from sequitur.shards.views.show import dataset_root
    from sequitur.shards.views.text import harmless, harmless_all

    if (row is None) == (context is None):
        fail("give --row or --context, one of them", code=2)
    try:
        attribution = Attribution(dataset_root(path), split)
        place = attribution.row_of(context) if row is None and context is not None else row
        found = attribution.origin(place or 0, token)
    except (ShardError, IndexError) as error:
        fail(f"{path}: {error}")
    if as_json:
        print_json(harmless_all(found._asdict()))
        return
    document = found.document
    lines = {
        "token": f"{token:,} of {split}[{found.row}], context {found.context_id}, piece {found.piece}",
        "is": f"token {found.offset:,} of the {document['n_tokens']:,} of document {document['doc_id']}",
        "from": f"{document['source_file']}, record {document['source_row']:,}",
        **{name: document[name] for name in ("source", "record_id", "url", "title", "language", "license")},
    }
    sys.stdout.write("".join(f"{name:<10} {harmless(text)}\n" for name, text in lines.items() if text is not None))


def _query(file: Path | None, ids: list[str], sources: list[str], licenses: list[str], urls: list[str]) -> Query:
    from sequitur.shards.find import Query

    query = Query((*ids, *(_read_ids(file) if file else ())), tuple(sources), tuple(licenses), tuple(urls))
    if not query:
        fail("name documents: --doc-ids FILE, --doc-id, --source, --license or --url", code=2)
    return query


def _read_ids(file: Path) -> list[str]:
    """The ids in a file: its lines, or the documents of a removal record."""
    from sequitur.pipeline.text_lists import read_list

    lines = read_list(str(file), "--doc-ids")
    ids = [line.strip() for line in lines if line.strip()]
    if ids and ids[0].startswith("{"):
        try:
            ids = list(json.loads("\n".join(lines))["documents"])
            "".join(ids).encode()  # names, and such as can be looked for
        except (ValueError, KeyError, TypeError, RecursionError):
            fail(f"{file}: neither ids on lines nor a removal record; correct --doc-ids", code=2)
    if not ids:
        fail(f"{file}: holds no id; correct --doc-ids", code=2)
    return ids


def _advance(progress: Progress) -> Callable[[str, int, int], None]:
    """Tells progress of steps by what is done and how much there is."""
    current = ""

    def advance(step: str, done: int, total: int) -> None:
        nonlocal current
        if step != current:
            current = step
            progress.step(step, total, "rows" if step.startswith("look") else "shards")
        progress.update(done)

    return advance


def _piece_line(piece: Found) -> str:
    from sequitur.shards.views.text import harmless

    place = f"{piece.directory}/{piece.shard}" if piece.directory else piece.shard
    return harmless(
        f"{piece.doc_id}  tokens {piece.start:,} … {piece.start + piece.length:,} of {piece.n_tokens:,}  "
        f"{piece.split}[{piece.row}] at {piece.offset:,}  context {piece.context_id}, piece {piece.piece} of "
        f"{piece.pieces}  {place}"
    )


def _lines(done: list[Removal], dry_run: bool, resumed: bool) -> Iterator[str]:
    """What a removal did, dataset by dataset."""
    if resumed:
        yield "finished the removal that was begun before"
    elif not done:
        yield "nothing to remove: none of these documents is there"
    for one in done:
        where = f"{one.directory}: " if one.directory else ""
        other = (
            f"; other documents lose {one.other_tokens:,}, and {one.other_documents:,} all" if one.other_tokens else ""
        )
        verb = "would remove" if dry_run else "removed"
        yield f"{where}{verb} {one.documents:,} documents, {one.tokens:,} tokens{other}"
        yield (
            f"{where}{one.contexts_changed:,} contexts shorter, {one.contexts_gone:,} gone, {one.next_tokens_gone:,} "
            f"without their next token; {one.shards_rewritten:,} of {one.shards:,} shards rewritten"
        )
        if not dry_run:
            yield f"{where}record {one.record}; fingerprint {one.fingerprint_after}"
