"""What Megatron-LM reads of an export, row by row and as the samples of its GPTDataset.

read_megatron.py EXPORT FOLDER: FOLDER for the indices that Megatron caches, and for what its own builder writes.
"""

import json
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

warnings.simplefilter("ignore")  # Transformer Engine and Apex are not installed
from megatron.core.datasets import helpers_cpp  # noqa: E402
from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig  # noqa: E402
from megatron.core.datasets.indexed_dataset import DType, IndexedDataset, IndexedDatasetBuilder  # noqa: E402
from megatron.core.datasets.utils import Split  # noqa: E402

from sequitur.shards.digest import row_digest_sum  # noqa: E402


def digest(ids: np.ndarray) -> str:
    return row_digest_sum(ids, np.full(len(ids), ids.shape[1]))


def samples(prefix: Path, report: dict[str, Any], cache: Path, extra: bool, epochs: int) -> dict[str, Any]:
    """Those of GPTDataset with the settings that the export asks for. The tokenizer's pad is its end of document."""
    eod = report["special_ids"]["eos"]
    vocab_size = report["tokenizer"]["vocab_size"]
    tokenizer = SimpleNamespace(eod=eod, eos=eod, pad=eod, vocab_size=vocab_size, unique_identifiers={})
    config = GPTDatasetConfig(
        random_seed=3,
        sequence_length=report["settings"]["sequence_length"],
        blend=([str(prefix)], None),
        split="1,0,0",
        path_to_cache=str(cache),
        tokenizer=tokenizer,
        reset_position_ids=False,
        reset_attention_mask=False,
        eod_mask_loss=False,
        add_extra_token_to_sequence=extra,
    )
    low = GPTDataset.build_low_level_dataset(str(prefix), config)
    wanted = None if epochs == 1 else len(low) * epochs - extra
    dataset = GPTDataset(low, str(prefix), np.arange(len(low)), wanted, Split.train, config)
    read = [dataset[i] for i in range(len(dataset))]
    future = torch.ones_like(read[0]["attention_mask"], dtype=torch.bool).triu(1)
    return {
        "ids": [one["tokens"].tolist() for one in read],
        "labels": [one["labels"].tolist() for one in read],
        "loss_mask": [one["loss_mask"].tolist() for one in read],
        "positions": [one["position_ids"].tolist() for one in read],
        "full_attention": all(torch.equal(one["attention_mask"], future) for one in read),
    }


def main(export: Path, folder: Path) -> None:
    report = json.loads((export / "sequitur-export.json").read_text())
    prefix = export / report["settings"]["data_path"]
    mapped, plain = IndexedDataset(str(prefix)), IndexedDataset(str(prefix), mmap=False)
    ids = np.stack([mapped[i] for i in range(len(mapped))])

    builder = IndexedDatasetBuilder(
        str(folder / "again.bin"), dtype=DType.optimal_dtype(report["tokenizer"]["vocab_size"])
    )
    for row in ids:
        builder.add_document(torch.from_numpy(row.astype(np.int64)), [len(row)])
    builder.finalize(str(folder / "again.idx"))
    again = [(folder / f"again.{end}").read_bytes() for end in ("bin", "idx")]

    result = {
        "ids": ids.tolist(),
        "dtype": str(ids.dtype),
        "digest": digest(ids),
        "same_unmapped": all(np.array_equal(plain[i], row) for i, row in enumerate(ids)),
        "same_bytes": again == [prefix.with_suffix(f".{end}").read_bytes() for end in ("bin", "idx")],
        "helper": Path(helpers_cpp.__file__).suffix,
        "extra": samples(prefix, report, folder / "extra", extra=True, epochs=1),
        "no_extra": samples(prefix, report, folder / "no_extra", extra=False, epochs=1),
        "two_epochs": samples(prefix, report, folder / "two_epochs", extra=True, epochs=2),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
