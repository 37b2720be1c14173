"""What is written can be read back, whatever the strings hold, and is the same each time."""

import io
import json

import networkx
import pytest

from sequitur.api.graph_files import FORMATS, written
from sequitur.command_line import graph as command

TITLE = 'A \x1b[31m "title" <&> of\u202e \ufffe\uffff\x00 Δ\nends'
SHOWN = 'A \u241b[31m "title" <&> of\\u202e \ufffd\ufffd\u2400 Δ\nends'


def example() -> networkx.Graph:
    graph = networkx.Graph()
    graph.add_node("ab" * 16, ordinal=2**40, title=TITLE, kept=True)
    graph.add_node("cd" * 16, ordinal=1, record_id="x", kept=False, reason="semantic_duplicate")
    graph.add_edge("ab" * 16, "cd" * 16, cosine=0.123456, kind="duplicate")
    return graph


def read(content: bytes, to: str) -> networkx.Graph:
    if to == "json":
        return networkx.node_link_graph(json.loads(content), edges="edges")
    return {"graphml": networkx.read_graphml, "gml": networkx.read_gml}[to](io.BytesIO(content))


@pytest.mark.parametrize("to", FORMATS)
def test_read_back(to: str) -> None:
    graph = example()
    content = written(graph, to)
    found = read(content, to)
    expected = {node: dict(about) for node, about in example().nodes(data=True)}
    expected["ab" * 16]["title"] = SHOWN
    seen = {node: about | {"ordinal": int(about["ordinal"])} for node, about in found.nodes(data=True)}
    assert seen == expected
    assert list(found.edges(data=True)) == [("ab" * 16, "cd" * 16, {"cosine": 0.123456, "kind": "duplicate"})]
    assert graph.nodes["ab" * 16]["title"] == TITLE
    assert written(example(), to) == content
    assert content.endswith(b"\n")


def test_the_command_names_all_formats() -> None:
    assert tuple(FORMATS) == command.FORMATS
