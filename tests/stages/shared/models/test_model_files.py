"""Digests of a local model's files: by their names within it, whatever the place."""

from pathlib import Path

from sequitur.pipeline import artifacts
from sequitur.stages.shared.models import model_files


def test_digests_are_of_every_file_but_a_download_cache(tmp_path: Path) -> None:
    for name, content in {"b.bin": b"x" * (model_files.BLOCK_BYTES + 1), "a/c.json": b"{}", ".cache/d": b"no"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    expected = {name: artifacts.digest((tmp_path / name).read_bytes()) for name in ("a/c.json", "b.bin")}
    assert model_files.digests(tmp_path) == expected
    assert model_files.digests(tmp_path / "b.bin") == {"b.bin": expected["b.bin"]}
