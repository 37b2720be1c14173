"""Files are there whole or not at all."""

from pathlib import Path

import pytest

from sequitur.shards.atomic import TEMPORARY, write_bytes, writing


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_file_appears_when_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.bin"

    with writing(path) as file:
        file.write(b"one")
        assert names(path.parent) == [f"{TEMPORARY}a.bin"]
        file.write(b"two")

    assert (names(path.parent), path.read_bytes()) == (["a.bin"], b"onetwo")


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_was_there_stays_when_writing_fails(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.bin"
    write_bytes(path, b"old")

    def fail() -> None:
        with writing(path) as file:
            file.write(b"half of the n")
            raise error

    with pytest.raises(error):
        fail()

    assert (names(tmp_path), path.read_bytes()) == (["a.bin"], b"old")
