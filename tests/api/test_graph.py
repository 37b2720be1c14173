"""The graph has the edges of the neighbours' lists and of the near-duplicates, whole or around a document."""

from collections.abc import Callable
from typing import Any

import networkx
import pytest

import sequitur
from sequitur.pipeline.errors import DocumentUnknown, MissingArtifact, OverMemory
from sequitur.pipeline.stage import Run

Rows = Callable[..., list[dict[str, Any]]]


def by_hand(run: Run, rows: Rows) -> networkx.Graph:
    """The graph, edge by edge."""
    documents, verdicts = rows(run), rows(run, "selection")
    of = {verdict["ordinal"]: one for one, verdict in zip(documents, verdicts, strict=True) if verdict["kept"]}
    graph = networkx.Graph()
    lists, near = rows(run, "neighbors"), rows(run, "neighbors/duplicates")
    reasons = {row["ordinal"]: "subset" for row in rows(run, "neighbors/unselected")}
    reasons |= {row["ordinal"]: "semantic_duplicate" for row in near}
    ends_of_near = {row[name] for row in near for name in ("ordinal", "duplicate_of")}
    for ordinal in {row["ordinal"] for row in lists} | ends_of_near:
        one = of[ordinal]
        about = {"ordinal": ordinal, "record_id": one["record_id"], "source": one["source"]}
        about |= {"title": " ".join(one["text"].splitlines()[0].split())[:80], "kept": ordinal not in reasons}
        about |= {"reason": reasons[ordinal]} if ordinal in reasons else {}
        graph.add_node(one["doc_id"].hex(), **about)
    for row in lists:
        for other, cosine in zip(row["neighbor"], row["cosine"], strict=True):
            if other >= 0:
                ends = [of[one]["doc_id"].hex() for one in (row["ordinal"], other)]
                graph.add_edge(*ends, cosine=round(cosine, 6), kind="neighbor")
    for row in near:
        ends = [of[row[name]]["doc_id"].hex() for name in ("ordinal", "duplicate_of")]
        graph.add_edge(*ends, cosine=round(row["cosine"], 6), kind="duplicate")
    return graph


def same(a: networkx.Graph, b: networkx.Graph) -> bool:
    edges = [{frozenset(ends[:2]): ends[2] for ends in graph.edges(data=True)} for graph in (a, b)]
    return dict(a.nodes(data=True)) == dict(b.nodes(data=True)) and edges[0] == edges[1]


def test_whole_and_around(finished: Run, rows: Rows) -> None:
    run, expected = sequitur.open_run(finished.config.output), by_hand(finished, rows)
    kinds = {kind for _, _, kind in expected.edges(data="kind")}
    assert kinds == {"neighbor", "duplicate"}
    assert same(run.graph(), expected)
    dropped = next(node for node, kept in expected.nodes(data="kept") if not kept)
    stays = next(node for node, kept in expected.nodes(data="kept") if kept)
    for node in (dropped, stays):
        for hops in (0, 1, 2):
            ego = networkx.ego_graph(expected, node, radius=hops)
            assert same(run.graph(around=node, hops=hops), ego)
            assert len(ego) == 1 or hops
    ordinals = [ordinal for _, ordinal in run.graph(around=stays).nodes(data="ordinal")]
    assert ordinals == sorted(ordinals)


def test_by_any_name(finished: Run) -> None:
    run = sequitur.open_run(finished.config.output)
    node = next(node for node, record_id in run.graph().nodes(data="record_id") if record_id == "doc-001")
    assert same(run.graph(around="doc-001"), run.graph(around=node[:12]))


def test_too_many_documents_are_refused(finished: Run) -> None:
    run = sequitur.open_run(finished.config.output)
    count = len(run.graph())
    with pytest.raises(OverMemory, match=rf"a graph of {count} documents takes up to .* KiB of memory, 400 bytes"):
        run.graph(max_documents=count - 1)
    assert len(run.graph(max_documents=count)) == count
    near = run.graph(around="doc-001", hops=1)
    with pytest.raises(OverMemory, match="for fewer hops"):
        run.graph(around="doc-001", hops=3, max_documents=len(near))


def test_documents_that_are_not_in_it(finished: Run, corpus: Any, branch: Callable[..., Run]) -> None:
    run = sequitur.open_run(finished.config.output)
    with pytest.raises(DocumentUnknown, match=r"was dropped by select \(gopher_too_few_words\)"):
        run.graph(around=sorted(corpus.short)[0])
    with pytest.raises(DocumentUnknown, match="could not be read"):
        run.graph(around="corpus.jsonl:30")
    stale = branch("stale", "embed", select={"thresholds": {"gopher_too_few_words": 100}}, embed={"max_characters": 99})
    with pytest.raises(MissingArtifact, match="neighbors are absent or out of date"):
        sequitur.open_run(stale.config.output).graph()


def test_what_a_subset_left_out(branch: Callable[..., Run], rows: Rows) -> None:
    job = branch("subset", "neighbors", select={"subset": {"by": "coverage", "share": 0.5}})
    run = sequitur.open_run(job.config.output)
    assert same(run.graph(), by_hand(job, rows))
    left = rows(job, "neighbors/unselected")[0]["ordinal"]
    table = run.documents(["doc_id", "ordinal"]).to_pylist()
    alone = run.graph(around=next(row["doc_id"] for row in table if row["ordinal"] == left))
    assert [about["reason"] for _, about in alone.nodes(data=True)] == ["subset"]
    assert alone.number_of_edges() == 0
