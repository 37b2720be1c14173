"""Words, signals, rules and near-duplicates over Arrow string buffers: arrays in, arrays out.

    strings ─▶ words ─┬─▶ signals ─▶ rules
       │              ├─▶ minhash ─▶ lsh ─┐
       │              └─▶ shingles ───────┴─▶ components
       └─▶ content_hash

Nothing here knows of files, configuration, clocks or global random state. The kernels are compiled by numba and
cached beside the source; numba does not notice a change in a kernel imported from another module, so delete
`text_core/__pycache__` after editing `hashing.py`, `unicode.py` or `shingles.py`.
"""
