"""What StreamingDataset reads of an MDS export; and whether the library's own writer makes the same files of it.

read_mds.py EXPORT FOLDER SIZE_LIMIT: FOLDER for caches and copies.
"""

import json
import sys
from pathlib import Path

import digests
import numpy as np
import torch
from streaming import MDSWriter, StreamingDataLoader, StreamingDataset


def main(export: Path, folder: Path, size_limit: int) -> None:
    dataset = StreamingDataset(
        remote=str(export), local=str(folder / "cache"), validate_hash="sha256", shuffle=False, batch_size=4
    )
    rows = np.stack([dataset[i]["tokens"] for i in range(len(dataset))])
    dtype = str(rows.dtype)
    batches = [batch["tokens"] for batch in StreamingDataLoader(dataset, batch_size=4)]
    iterated = torch.cat(batches).numpy()

    again = folder / "again"
    encoding = json.loads((export / "index.json").read_text())["shards"][0]["column_encodings"][0]
    with MDSWriter(columns={"tokens": encoding}, out=str(again), hashes=["sha256"], size_limit=size_limit) as writer:
        for row in rows:
            writer.write({"tokens": row})
    names = sorted(path.name for path in again.iterdir())
    same = [(again / name).read_bytes() == (export / name).read_bytes() for name in names]

    flipped = folder / "flipped"
    flipped.mkdir()
    for name in names:
        content = bytearray((export / name).read_bytes())
        if name == names[-1]:
            content[-5] ^= 1
        (flipped / name).write_bytes(content)
    error = ""
    try:
        damaged = StreamingDataset(
            remote=str(flipped), local=str(folder / "damaged"), validate_hash="sha256", shuffle=False, batch_size=4
        )
        _ = damaged[len(damaged) - 1]
    except ValueError as raised:
        error = str(raised)

    result = {
        "rows": len(rows),
        "dtype": dtype,
        "ids": rows.tolist(),
        "digest": digests.of_full_rows(rows),
        "iterated_digest": digests.of_full_rows(iterated),
        "iterated_rows": len(iterated),
        "names": names,
        "same_bytes": all(same),
        "flipped": error,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
