"""Words, signals, rules and near-duplicates over Arrow string buffers: arrays in, arrays out.

    strings ─┬─▶ tokens ───▶ signals: gopher, repetition, c4, fineweb, composition, … ─▶ rules
             ├─▶ words ─┬─▶ minhash ─▶ lsh ─┐
             │          ├─▶ shingles ───────┴─▶ components
             │          ├─▶ listed_words
             │          └─▶ overlap: n-grams shared with evaluation texts
             ├─▶ lines ────▶ line_filters, repeats
             ├─▶ language, classifiers, urls
             ├─▶ edits, patterns, redact, repair: changed text
             └─▶ content_hash
    token ids ─▶ repeated_spans

Nothing here knows of files, configuration, clocks or global random state. The kernels are compiled by numba and
cached beside the source; numba does not notice a change in a kernel imported from another module, so delete
`text_core/__pycache__` after editing `hashing.py`, `unicode.py`, `words.py` or `shingles.py`.
"""
