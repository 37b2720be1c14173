"""Names that several rooms share: the reasons for which kept records are dropped."""

REPEATED_ID, CONTAMINATED = "repeated_id", "contaminated"
EXACT, FUZZY = "exact_duplicate", "fuzzy_duplicate"
EXACT_ELSEWHERE, FUZZY_ELSEWHERE = "exact_duplicate_elsewhere", "fuzzy_duplicate_elsewhere"
SELECT_DUPLICATES = (EXACT_ELSEWHERE, FUZZY_ELSEWHERE, EXACT, FUZZY)  # in the order in which they are tried
SEMANTIC, SUBSET = "semantic_duplicate", "subset"  # dropped by `neighbors`
