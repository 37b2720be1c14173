"""What LitData reads of an export; and whether the library's own writer makes the same files of it.

read_litdata.py EXPORT FOLDER CHUNK_BYTES: FOLDER for what the library writes.
"""

import json
import sys
from pathlib import Path

import digests
import torch
from litdata import StreamingDataLoader, StreamingDataset, TokensLoader
from litdata.streaming.writer import BinaryWriter


def main(export: Path, folder: Path, chunk_bytes: int) -> None:
    index = json.loads((export / "index.json").read_text())
    width = json.loads((export / "sequitur-export.json").read_text())["settings"]["block_size"]
    dataset = StreamingDataset(str(export), item_loader=TokensLoader(block_size=width), shuffle=False)
    rows = torch.stack([dataset[i] for i in range(len(dataset))])
    shuffled = StreamingDataset(str(export), item_loader=TokensLoader(block_size=width), shuffle=True, seed=3)
    epoch = torch.cat(list(StreamingDataLoader(shuffled, batch_size=4, num_workers=2)))

    again = folder / "again"
    again.mkdir()
    writer = BinaryWriter(str(again), chunk_bytes=chunk_bytes, item_loader=TokensLoader(width))
    for i, row in enumerate(rows):
        writer[i] = row
    writer.done()
    writer.merge()
    theirs = json.loads((again / "index.json").read_text())
    same = [(again / chunk["filename"]).read_bytes() == (export / chunk["filename"]).read_bytes()
            for chunk in theirs["chunks"]]  # fmt: skip

    result = {
        "rows": len(rows),
        "dtype": str(rows.dtype),
        "ids": rows.tolist(),
        "digest": digests.of_full_rows(rows[:, :-1].numpy()),
        "shuffled_digest": digests.of_full_rows(epoch[:, :-1].numpy()),
        "shuffled_rows": len(epoch),
        "in_order": torch.equal(epoch, rows),
        "remainders": [chunk["dim"] % width for chunk in index["chunks"]],
        "same_bytes": all(same),
        "same_index": {**theirs, "updated_at": ""} == {**index, "updated_at": ""},
        "left": sorted(path.name for path in export.iterdir()),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
