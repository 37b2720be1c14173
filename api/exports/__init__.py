"""The documents of a run as files that other programs read: JSON lines, Parquet, a dataset for Hugging Face.

`documents` chooses what is written and counts it, `files` writes it, `card` describes it.
"""
