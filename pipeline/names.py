"""Names that several rooms share, each said once: what a run holds, and why records are rejected and dropped."""

# Artifacts: the directories of a run that its stages make, in their order. What begins with `_` is one stage's own.
DOCUMENTS, REJECTS = "documents", "rejects"
REFINED, CHANGES = "refined", "refined/changes"
SIGNALS = "signals"
SELECTION, CONTAMINATION = "selection", "selection/contamination"
VECTORS = "vectors"
TOKENS, SPANS = "tokens", "tokens/spans"
NEIGHBORS, UNSELECTED, SEMANTIC_DUPLICATES = "neighbors", "neighbors/unselected", "neighbors/duplicates"
ORDER, ROUTER = "order", "order/router"
SHARDS = "shards"
REPORT = "report"

EXTENSIONS = "extensions"  # of a run: the directory of the runs that extended its shards, each a run by itself
FITTED = "fitted"  # what was fitted on the documents before a run was updated, and serves since

METRICS = "metrics.json"  # of `report`: the ledger, the measures of the order, the packing

# Why records are in `rejects`: what could not be read
BAD_UTF8, BAD_JSON, BAD_CSV, BAD_VALUE = "bad_utf8", "bad_json", "bad_csv", "bad_value"
NO_TEXT, TOO_LARGE = "no_text", "too_large"
EXTRACTION_FAILED, EXTRACTION_TIMEOUT = "extraction_failed", "extraction_timeout"

# Why documents are dropped in `selection`: what is not judged alone
REPEATED_ID, CONTAMINATED = "repeated_id", "contaminated"
EXACT, FUZZY = "exact_duplicate", "fuzzy_duplicate"
EXACT_ELSEWHERE, FUZZY_ELSEWHERE = "exact_duplicate_elsewhere", "fuzzy_duplicate_elsewhere"
ELSEWHERE = (EXACT_ELSEWHERE, FUZZY_ELSEWHERE)  # of a document that another run keeps
SELECT_DUPLICATES = (*ELSEWHERE, EXACT, FUZZY)  # in the order in which they are tried

# … and in `neighbors`
SEMANTIC, SUBSET = "semantic_duplicate", "subset"

DUPLICATE_REASONS = frozenset({REPEATED_ID, *SELECT_DUPLICATES, SEMANTIC})  # which name another document
