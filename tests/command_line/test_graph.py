"""`sequitur graph` writes what `graph` gives, in one file or none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx

import sequitur as package
from sequitur.pipeline.stage import Run

Command = Callable[..., Any]


def test_around_a_document(sequitur: Command, finished: Run, tmp_path: Path) -> None:
    out = tmp_path / "new" / "near.graphml"
    ended = sequitur("graph", finished.config.output, "--around", "doc-001", "--hops", 2, out)
    graph = package.open_run(finished.config.output).graph(around="doc-001", hops=2)
    assert ended.code == 0
    assert ended.out == f"wrote {len(graph)} documents and {graph.number_of_edges()} edges to {out}\n"
    found = networkx.read_graphml(out)
    assert dict(found.nodes(data=True)) == dict(graph.nodes(data=True))
    edges = [{frozenset(ends): about for *ends, about in one.edges(data=True)} for one in (found, graph)]
    assert edges[0] == edges[1]
    first = out.read_bytes()
    sequitur("graph", finished.config.output, "--around", "doc-001", "--hops", 2, out)
    assert out.read_bytes() == first
    assert [file.name for file in out.parent.iterdir()] == [out.name]


def test_whole_in_other_formats(sequitur: Command, finished: Run, tmp_path: Path) -> None:
    for to in ("gml", "json"):
        assert sequitur("graph", finished.config.output, tmp_path / f"all.{to}", "--to", to).code == 0
        assert (tmp_path / f"all.{to}").stat().st_size > 10_000


def test_mistakes_are_one_line(sequitur: Command, finished: Run, tmp_path: Path) -> None:
    run, out = finished.config.output, tmp_path / "out"
    (tmp_path / "file").touch()
    for arguments, said in (
        ((run, out, "--to", "dot"), "--to dot: no such format; there are graphml, gml, json"),
        ((run, out, "--around", "nothing"), "no document or rejected record is called nothing"),
        ((run, out, "--max-documents", 5), "5 are allowed; ask around a document"),
        ((tmp_path / "none", out), "no run is there"),
        ((run, tmp_path / "file" / "out"), "file"),
        ((run, tmp_path), "mend that and run the same command again"),
    ):
        ended = sequitur("graph", *arguments)
        assert ended.code
        assert (ended.out, ended.err.count("\n"), ended.err[:7]) == ("", 1, "error: ")
        assert said in ended.err
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
