"""Commands that need no run: the demo, and corpora that can be made here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from sequitur.command_line.common import LogFile, LogFormat, MetricsFile, OpenLineage, Workers, fail, telling
from sequitur.command_line.jobs import bring_up_to_date
from sequitur.command_line.views import show
from sequitur.pipeline.names import SHARDS


def demo(
    directory: Annotated[Path, typer.Argument(help="Where the corpus goes, and the run: DIRECTORY/run.")] = Path(
        "demo"
    ),
    max_documents: Annotated[int, typer.Option(min=1, help="Documents of the corpus, if it is not there yet.")] = 10000,
    workers: Workers = None,
    log_file: LogFile = None,
    log_format: LogFormat = "text",
    metrics_file: MetricsFile = None,
    openlineage: OpenLineage = None,
) -> None:
    """Run the whole job on the documentation of the installed Python packages, and show a context.

    What is done is skipped, what was interrupted goes on; delete the directory to begin anew.
    """
    with telling(log_file, log_format, metrics_file, openlineage) as progress:
        from sequitur.corpora import demo as of_demo

        corpus = directory / of_demo.CORPUS
        try:
            with progress.stage("gathering documentation"):
                count = of_demo.make_corpus(directory, max_documents)
        except OSError as error:
            fail(f"{corpus}: {error.strerror or error}; choose another place")
        progress.say(f"{corpus} is there already" if count is None else f"wrote {count:,} documents to {corpus}")
        settings = of_demo.config_of(directory)
        bring_up_to_date(settings, workers, progress)
        show(f"{settings.output}/{SHARDS}", context=0)


CorpusPath = Annotated[Path, typer.Argument(help="File to write: .jsonl, .jsonl.gz or .jsonl.zst.", show_default=False)]
MaxDocuments = Annotated[int | None, typer.Option(min=1, help="Take a part of about so many documents.")]


def python_docs(path: CorpusPath, max_documents: MaxDocuments = None) -> None:
    """Gather the documentation of the installed Python packages: docstrings, READMEs, licences."""
    from sequitur.corpora.python_docs import write_python_docs

    _gather(path, lambda: write_python_docs(path, max_documents))


def python_source(path: CorpusPath, max_documents: MaxDocuments = None) -> None:
    """Gather the source files of the installed Python packages, whole: a corpus of long documents."""
    from sequitur.corpora.python_source import write_python_source

    _gather(path, lambda: write_python_source(path, max_documents))


def markdown(
    path: CorpusPath,
    places: Annotated[list[Path], typer.Argument(help="Folders, or git directories, whose HEAD is read.")],
    min_characters: Annotated[int, typer.Option(min=1, help="Leave out files of fewer characters.")] = 600,
) -> None:
    """Gather the Markdown files of folders and git repositories, without front matter and shortcodes."""
    from sequitur.corpora.markdown import write_markdown

    _gather(path, lambda: write_markdown(path, places, min_characters))


def _gather(path: Path, write: Callable[[], int]) -> None:
    from sequitur.pipeline.errors import SequiturError
    from sequitur.pipeline.progress import Progress

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        count = write()
    except SequiturError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{path}: {error.strerror or error}; choose another place")
    Progress().say(f"wrote {count:,} documents to {path}")
