"""Commands that need no data: the demo, and its corpus by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sequitur.command_line.common import Workers, fail, resumable
from sequitur.command_line.jobs import bring_up_to_date
from sequitur.command_line.views import show
from sequitur.pipeline.names import SHARDS


def demo(
    directory: Annotated[Path, typer.Argument(help="Where the corpus goes, and the run: DIRECTORY/run.")] = Path(
        "demo"
    ),
    max_documents: Annotated[int, typer.Option(min=1, help="Documents of the corpus, if it is not there yet.")] = 10000,
    workers: Workers = None,
) -> None:
    """Run the whole job on the documentation of the installed Python packages, and show a context.

    What is done is skipped, what was interrupted goes on; delete the directory to begin anew.
    """
    with resumable():
        from sequitur.corpora import demo as of_demo
        from sequitur.pipeline.progress import Progress

        progress, corpus = Progress(), directory / of_demo.CORPUS
        try:
            with progress.stage("gathering documentation"):
                count = of_demo.make_corpus(directory, max_documents)
        except OSError as error:
            fail(f"{corpus}: {error.strerror or error}; choose another place")
        progress.say(f"{corpus} is there already" if count is None else f"wrote {count:,} documents to {corpus}")
        settings = of_demo.config_of(directory)
        bring_up_to_date(settings, workers)
        show(Path(settings.output) / SHARDS, context=0)


def python_docs(
    path: Annotated[Path, typer.Argument(help="File to write: .jsonl, .jsonl.gz or .jsonl.zst.", show_default=False)],
    max_documents: Annotated[int | None, typer.Option(min=1, help="Take a part of about so many documents.")] = None,
) -> None:
    """Gather the documentation of the installed Python packages: docstrings, READMEs, licences."""
    from sequitur.corpora.python_docs import write_python_docs
    from sequitur.pipeline.progress import Progress

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        count = write_python_docs(path, max_documents)
    except OSError as error:
        fail(f"{path}: {error.strerror or error}; choose another place")
    Progress().say(f"wrote {count:,} documents to {path}")
