"""The demo: the documentation of the Python packages installed here, in short contexts.

DIRECTORY/python_docs.jsonl.zst   the corpus; that it is there makes a directory the demo's
DIRECTORY/run/                    the run
"""

from pathlib import Path

from sequitur.corpora.python_docs import write_python_docs
from sequitur.pipeline.config import Config, validate
from sequitur.pipeline.errors import ForeignDirectory

CORPUS = "python_docs.jsonl.zst"


def config_of(directory: Path) -> Config:
    """The configuration of the demo in a directory."""
    settings = {
        "name": "python-docs",
        "output": str(directory / "run"),
        "ingest": {"inputs": str(directory / CORPUS), "part_bytes": "4 MiB"},
        "pack": {"context_length": 2048},
    }
    return validate(settings, "demo")


def make_corpus(directory: Path, max_documents: int) -> int | None:
    """Writes the corpus, with the directory, unless it is there. Returns how many documents were written, else None.

    Raises:
        ForeignDirectory: it is a file, or holds something else.
        OSError: it cannot be read or written.
    """
    corpus = directory / CORPUS
    if corpus.exists():
        return None
    if directory.exists() and not directory.is_dir():
        raise ForeignDirectory(f"{directory}: is a file; choose another directory")
    directory.mkdir(parents=True, exist_ok=True)
    # What a writer that was killed left behind begins with the corpus's name, after a dot.
    others = sorted(path.name for path in directory.iterdir() if not path.name.startswith(f".{CORPUS}"))
    if others:
        raise ForeignDirectory(f"{directory}: holds {others[0]} and no demo; choose another directory or empty it")
    return write_python_docs(corpus, max_documents)
