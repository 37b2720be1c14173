"""Commands that show what is in shards, and why."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sequitur.command_line.common import (
    DATASET,
    AsJson,
    DatasetPath,
    RunPath,
    console,
    copied,
    fail,
    print_json,
    shards_elsewhere,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sequitur.pipeline.progress import Progress
    from sequitur.pipeline.stage import Run
    from sequitur.shards.views.show import ContextView

WIDTH = 80  # of what is not printed on a terminal

DocumentName = Annotated[
    str,
    typer.Argument(
        help="Document: its doc_id or 4 or more first digits of it, record_id, URL, or FILE:ROW.", show_default=False
    ),
]


def show(
    path: Annotated[str, typer.Argument(help=DATASET, metavar="path", show_default=False)],
    context: Annotated[int | None, typer.Option(min=0, help="Row of the split, from 0; 0 if not given.")] = None,
    document: Annotated[
        str | None,
        typer.Option(
            "--doc",
            metavar="ID",
            help="Contexts that hold a document: doc_id or its first digits, record_id, URL, FILE:ROW.",
        ),
    ] = None,
    search: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Contexts whose decoded text contains this, in any case.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Split to look into; train if not given, with --doc and --search every one.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Contexts to show, with --doc and --search.")] = 3,
    full_text: Annotated[bool, typer.Option("--full-text", help="Show all of the text, however long.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a context: its documents, where each came from, how close each is to the one before it, and its text.

    A context is chosen by its row, by a document that it holds, or by its text. Of shards that are parted by family or
    length, it shows which there are; give the directory of one of them.
    """
    from sequitur.pipeline.progress import Progress
    from sequitur.shards.errors import ShardError
    from sequitur.shards.views.render import families_json, render_context, render_families
    from sequitur.shards.views.show import dataset_root, directories, search_pattern

    if sum(choice is not None for choice in (context, document, search)) > 1:
        fail("--context, --doc and --search choose in different ways; give one of them", code=2)
    if search is not None and not search.strip():
        fail("--search: is empty; give some text", code=2)
    try:
        with _shown(path, split, None if document or search else context or 0) as place:
            root = dataset_root(place)
            if (context, document, search) == (None, None, None) and directories(root):
                if as_json:
                    print_json(families_json(root))
                else:
                    _print(render_families(root))
                return
            views = []
            for view in _chosen(root, context, document, search, split, limit, Progress()):
                views.append(view)
                if not as_json:
                    _print(render_context(view, search_pattern(search) if search else None, full=full_text))
    except (ShardError, IndexError) as error:
        fail(f"{path}: {error}")
    except KeyboardInterrupt:
        fail("interrupted; nothing was changed", code=130)
    if as_json:
        print_json({"contexts": [view.to_json() for view in views]})
    elif not views:
        fail(f"{path}: no context holds {document if search is None else search!r}; try other words or --split")
    elif (document or search) and len(views) == limit:
        Progress().say(f"stopped at --limit {limit}; there may be more")


@contextmanager
def _shown(path: str, split: str | None, row: int | None) -> Iterator[Path]:
    """Shards where they can be mapped; of such as lie elsewhere what one row needs, or a copy."""
    from sequitur.command_line.row_copies import copied_row
    from sequitur.pipeline.progress import Progress

    if (shards := shards_elsewhere(path)) is None:
        yield Path(path)
        return
    with nullcontext() if row is None else copied_row(shards, split, row, Progress()) as copy:
        if copy is not None:
            yield copy
            return
    with copied(shards) as copy:
        yield copy


def _chosen(
    root: Path,
    context: int | None,
    document: str | None,
    search: str | None,
    split: str | None,
    limit: int,
    progress: Progress,
) -> Iterator[ContextView]:
    """At most `limit` contexts, each as soon as it is found; with bars only while none is printed."""
    from sequitur.shards.views.show import context_view, contexts_with_document, contexts_with_text, open_dataset

    manifest = open_dataset(root)
    if document is None and search is None:
        yield context_view(root, split or next(iter(sorted(manifest.splits, key="train".__ne__))), context or 0)
        return
    splits = [manifest.split(split)] if split else manifest.splits.values()
    rows, done = sum(one.rows for one in splits), 0

    def on_rows(count: int) -> None:
        nonlocal done
        done = count
        progress.update(done)

    if search is not None:
        found = contexts_with_text(root, search, split, on_rows)
    else:
        found = contexts_with_document(root, str(document), split, on_rows)
    for _ in range(limit):
        with progress.stage("show"):
            progress.step("searching contexts", rows, "contexts")
            progress.update(done)
            view = next(found, None)
        if view is None:
            return
        yield view


def stats(path: DatasetPath, as_json: AsJson = False) -> None:
    """Count what shards hold: lengths of documents and contexts, padding, sources, languages, licences, splits."""
    from sequitur.pipeline.progress import Progress
    from sequitur.shards.errors import ShardError
    from sequitur.shards.views.show import dataset_root
    from sequitur.shards.views.stats import rows_of, statistics
    from sequitur.shards.views.stats_view import render_statistics

    progress = Progress()
    try:
        root = dataset_root(path)
        with progress.stage("stats"):
            progress.step("counting", rows_of(root), "contexts")
            found = statistics(root, progress.update)
    except ShardError as error:
        fail(f"{path}: {error}")
    except KeyboardInterrupt:
        fail("interrupted; nothing was changed", code=130)
    if as_json:
        print_json(found)
    else:
        _print(render_statistics(found))


def why(path: RunPath, document_a: DocumentName, document_b: DocumentName, as_json: AsJson = False) -> None:
    """Tell why two documents of a run are together, or not: cosine, ranks, path, context, evidence of duplication."""
    from sequitur.inspection.explain import why as togetherness
    from sequitur.inspection.why_view import answers, render_why
    from sequitur.shards.views.text import harmless_all

    run, progress = _opened(path)
    try:
        with progress.stage("why"):
            found = harmless_all(togetherness(run, document_a, document_b))
    except KeyboardInterrupt:
        fail("interrupted; nothing was changed", code=130)
    if as_json:
        print_json({"answer": answers(found), **found})
    else:
        _print(render_why(found))


def trace(path: RunPath, document: DocumentName, as_json: AsJson = False) -> None:
    """Follow a document through a run: file, signals, verdict, neighbours, order, contexts; or what it was lost to."""
    from sequitur.inspection.explain import trace as life_of
    from sequitur.inspection.trace_view import render_trace
    from sequitur.shards.views.text import harmless_all

    run, progress = _opened(path)
    try:
        with progress.stage("trace"):
            found = harmless_all(life_of(run, document))
    except KeyboardInterrupt:
        fail("interrupted; nothing was changed", code=130)
    if as_json:
        print_json(found)
    else:
        _print(render_trace(found))


def _print(shown: RenderableType) -> None:
    """Prints on the terminal; or, where there is none, in so many columns, without colours or spaces at the end."""
    out = console(WIDTH)
    if out.is_terminal:
        out.print(shown)
        return
    with out.capture() as captured:
        out.print(shown)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def _opened(path: str) -> tuple[Run, Progress]:
    from sequitur.pipeline import run_directory
    from sequitur.pipeline.progress import Progress
    from sequitur.pipeline.stage import Run
    from sequitur.pipeline.storage import Directory

    progress = Progress()
    return Run(run_directory.read_config(Directory(path)), progress=progress), progress
