"""What OLMo-core reads of an export, and what its trainer would take as labels.

read_olmo.py EXPORT
"""

import json
import sys
from pathlib import Path

import numpy as np
from olmo_core.data import NumpyDatasetDType, NumpyFSLDatasetConfig, TokenizerConfig
from olmo_core.data.collator import DataCollator, PaddingDirection
from olmo_core.data.utils import get_labels

from sequitur.shards.digest import row_digest_sum


def main(export: Path) -> None:
    report = json.loads((export / "sequitur-export.json").read_text())
    settings, special = report["settings"], report["special_ids"]
    masks = settings["label_mask_paths"]
    config = NumpyFSLDatasetConfig(
        tokenizer=TokenizerConfig(
            vocab_size=report["tokenizer"]["vocab_size"],
            eos_token_id=special["eos"],
            pad_token_id=special["pad"],
        ),
        sequence_length=settings["sequence_length"],
        paths=[str(export / settings["paths"])],
        label_mask_paths=[str(export / masks)] if masks else None,
        expand_glob=True,
        generate_doc_lengths=True,
    )
    derived = config.get_dtype()
    dataset = config.build()
    dataset.prepare()
    read = [dataset[i] for i in range(len(dataset))]
    batch = DataCollator(pad_token_id=special["pad"], pad_direction=PaddingDirection.right)(read)
    ids = batch["input_ids"].numpy()
    mask = batch["label_mask"].numpy() if masks else np.ones_like(ids, dtype=bool)
    result = {
        "ids": ids.tolist(),
        "mask": mask.tolist(),
        "doc_lens": [one["doc_lens"].tolist() for one in read],
        "labels": get_labels(batch).tolist(),
        "digest": row_digest_sum(ids, mask.sum(axis=1)),
        "same_dtype": NumpyDatasetDType(settings["dtype"]).as_np_dtype() is derived,
        "files": len(dataset.paths),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
