"""The Python interface: what `import sequitur` hands on. Runs and what they made, and each core by itself.

running      `run`
run_view     `open_run` and `RunView`, a run opened to be looked at
artifact     `Artifact`, one directory of it
documents    the table of its documents, joined over its artifacts; `by_ordinal`: of those that speak of ordinals
             `neighbor_lists`: the neighbours of each; `ids`: ids as a person names them
exports      its documents as files for other programs
graph        the graph of neighbours, for networkx; `graph_files`: for other programs
texts        cores that read text: `signals`, `verdicts`, `similar_pairs`, `near_duplicates`
vectors      cores that arrange documents: `order`, `pack`
log_lines    keeps to itself what Beam logs

Nothing here decides anything: it calls the stages' own functions, and the cores'.
"""
