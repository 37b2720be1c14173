"""state.json and dataset_info.json of each split, by which Hugging Face opens it: as the manifest says."""

from pathlib import Path, PurePosixPath

from sequitur.shards.atomic import writing
from sequitur.shards.format import context_columns
from sequitur.shards.manifest import Manifest
from sequitur.shards.writer import hf_files


def renew_hub_files(root: Path, manifest: Manifest) -> None:
    """Write those that are not what the manifest says; the others stay as they are."""
    columns = context_columns(manifest.header.seq_len)
    for split, entry in manifest.splits.items():
        names = [PurePosixPath(shard.path).name for shard in entry.shards]
        for name, text in hf_files(split, names, manifest.fingerprint, columns).items():
            path = root / split / name
            if not path.is_file() or path.read_bytes() != text.encode():
                with writing(path) as file:
                    file.write(text.encode())
