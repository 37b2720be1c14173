"""Names that several rooms share, each said once: why records are rejected and dropped; a file."""

# `rejects`: what could not be read
BAD_UTF8, BAD_JSON, BAD_CSV, BAD_VALUE = "bad_utf8", "bad_json", "bad_csv", "bad_value"
NO_TEXT, TOO_LARGE = "no_text", "too_large"
EXTRACTION_FAILED, EXTRACTION_TIMEOUT = "extraction_failed", "extraction_timeout"

# `selection`: what is not judged alone
REPEATED_ID, CONTAMINATED = "repeated_id", "contaminated"
EXACT, FUZZY = "exact_duplicate", "fuzzy_duplicate"
EXACT_ELSEWHERE, FUZZY_ELSEWHERE = "exact_duplicate_elsewhere", "fuzzy_duplicate_elsewhere"
ELSEWHERE = (EXACT_ELSEWHERE, FUZZY_ELSEWHERE)  # of a document that another run keeps
SELECT_DUPLICATES = (*ELSEWHERE, EXACT, FUZZY)  # in the order in which they are tried

# `neighbors`
SEMANTIC, SUBSET = "semantic_duplicate", "subset"

DUPLICATES = frozenset({REPEATED_ID, *SELECT_DUPLICATES, SEMANTIC})  # reasons that name another document

METRICS = "metrics.json"  # of `report`: the ledger, the measures of the order, the packing
