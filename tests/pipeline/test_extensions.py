"""Extensions of a run are its numbered directories; whether its shards hold them the shards tell."""

from pathlib import Path

from sequitur.pipeline.extensions import extensions_of, has_extended
from sequitur.pipeline.storage import Directory


def test_extensions_are_in_order_and_other_names_are_none(tmp_path: Path) -> None:
    root = Directory(str(tmp_path))
    assert extensions_of(root) == []
    for name in ("0002", "0001", "notes", "_state"):
        (tmp_path / "extensions" / name).mkdir(parents=True)

    assert [one.path().rsplit("/", 1)[-1] for one in extensions_of(root)] == ["0001", "0002"]


def test_the_shards_tell_whether_they_hold_one(tmp_path: Path) -> None:
    root = Directory(str(tmp_path))
    (tmp_path / "extensions/0001").mkdir(parents=True)
    assert not has_extended(root)
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards/manifest.json").write_text("{}")
    assert not has_extended(root)
    (tmp_path / "shards/manifest.json").write_text('{"extensions": [{}]}')
    assert has_extended(root)
