"""Row digests of what a peer read, for the scripts of this folder."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from sequitur.shards.digest import add_digests, row_digest_sum


def of_full_rows(ids: NDArray[np.integer]) -> str:
    """Of contexts without pads: ids (rows, S)."""
    return row_digest_sum(ids.astype(np.uint32), np.full(len(ids), ids.shape[1], dtype=np.uint32))


def of_examples(examples: Iterable[Mapping]) -> str:
    """Of examples of a ContextDataset with `return_provenance`, which says how many of the tokens are pads."""
    return add_digests(
        row_digest_sum(
            np.asarray(example["input_ids"], dtype=np.uint32)[None],
            np.asarray(example["doc_lens"]).sum(keepdims=True, dtype=np.uint32),
        )
        for example in examples
    )
