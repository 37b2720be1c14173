"""Graphs as files that other programs read, with the same bytes for the same graph."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sequitur.shards.views.text import harmless

if TYPE_CHECKING:
    import networkx

NO_CHARACTERS = {0xFFFE: "\ufffd", 0xFFFF: "\ufffd"}  # which XML may not hold either


def graphml(graph: networkx.Graph) -> bytes:
    """GraphML, which Gephi, yEd, Cytoscape and igraph read."""
    import networkx

    return "".join(f"{line}\n" for line in networkx.generate_graphml(graph, named_key_ids=True)).encode()


def gml(graph: networkx.Graph) -> bytes:
    """GML, ASCII; a node's `label` is its `doc_id`."""
    import networkx

    return "".join(f"{line}\n" for line in networkx.generate_gml(graph)).encode()


def node_link(graph: networkx.Graph) -> bytes:
    """JSON of `nodes`, each with its `id`, and `edges`, each with `source` and `target`, as D3 takes it."""
    import networkx

    content = networkx.node_link_data(graph, edges="edges")
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


FORMATS: dict[str, Callable[[networkx.Graph], bytes]] = {"graphml": graphml, "gml": gml, "json": node_link}


def written(graph: networkx.Graph, to: str) -> bytes:
    """The graph in one of FORMATS, its strings without characters that a file or a terminal takes for something else.

    Memory: several times the file.
    """
    clean = graph.copy()
    for _, attributes in clean.nodes(data=True):
        attributes.update({name: _clean(value) for name, value in attributes.items()})
    return FORMATS[to](clean)


def _clean(value: Any) -> Any:
    return harmless(value).translate(NO_CHARACTERS) if isinstance(value, str) else value
