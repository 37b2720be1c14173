"""The command that writes the graph of neighbours."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sequitur.command_line.common import RunPath, fail
from sequitur.pipeline.terminal import printable

FORMATS = ("graphml", "gml", "json")


def graph(
    path: RunPath,
    out: Annotated[Path, typer.Argument(help="File to write.", show_default=False)],
    around: Annotated[
        str | None,
        typer.Option(
            metavar="DOC",
            help="Only what is near a document: its doc_id or first digits of it, record_id, URL, FILE:ROW.",
        ),
    ] = None,
    hops: Annotated[int, typer.Option(min=0, help="With --around: edges to go from the document, at most.")] = 1,
    to: Annotated[str, typer.Option("--to", help=f"Format: {', '.join(FORMATS)}.")] = FORMATS[0],
    max_documents: Annotated[int, typer.Option(min=1, help="A graph of more documents is refused.")] = 20_000,
) -> None:
    """Write the graph of neighbours for other programs: documents as nodes, cosines on edges; near-duplicates too."""
    if to not in FORMATS:
        fail(f"--to {to}: no such format; there are {', '.join(FORMATS)}", code=2)
    from sequitur.api.graph import NeighborGraph
    from sequitur.api.graph_files import written
    from sequitur.pipeline import run_directory
    from sequitur.pipeline.progress import Progress
    from sequitur.pipeline.stage import text_artifact
    from sequitur.pipeline.storage import Directory

    root, progress = Directory(path), Progress()
    config = run_directory.read_config(root)
    try:
        with progress.stage("graph"):
            neighbors = NeighborGraph(root, text_artifact(config), progress, max_documents)
            found = neighbors.whole() if around is None else neighbors.around(around, hops)
            progress.step(f"writing {to}")
            Directory(str(out.absolute().parent)).write_bytes(out.name, written(found, to))
    except KeyboardInterrupt:
        fail("interrupted; nothing was written", code=130)
    documents, edges = found.number_of_nodes(), found.number_of_edges()
    sys.stdout.write(f"wrote {documents:,} documents and {edges:,} edges to {printable(str(out))}\n")
