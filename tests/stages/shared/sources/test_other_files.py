"""What holds no text is known by its beginning, and text is not taken for it."""

import io
import shutil
import struct
import tarfile
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequitur.stages.shared.sources.other_files import other_kind


def archive(kind: str, place: Path, name: str = "a") -> bytes:
    (place / name).parent.mkdir(parents=True, exist_ok=True)
    (place / name).write_bytes(b"content")
    return Path(shutil.make_archive(str(place.parent / "packed"), kind, place)).read_bytes()


def test_archives_by_what_writes_them(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    assert other_kind(archive("zip", inside)) == "zip archive"
    assert other_kind(archive("tar", inside)) == "tar archive"
    with zipfile.ZipFile(book := io.BytesIO(), "w") as packed:
        packed.writestr("mimetype", "application/epub+zip")
    assert other_kind(book.getvalue()) == "EPUB"
    assert other_kind(archive("zip", tmp_path / "office", "word/document.xml")) == "Office document"
    with tarfile.open(fileobj=(empty := io.BytesIO()), mode="w"):
        pass
    assert other_kind(empty.getvalue()) == "data that is no text"  # nothing but zeros


def test_sound_and_numbers_by_what_writes_them() -> None:
    with wave.open(sound := io.BytesIO(), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\0\0")
    assert other_kind(sound.getvalue()) == "sound"
    np.save(numbers := io.BytesIO(), np.arange(3))
    assert other_kind(numbers.getvalue()) == "numbers"


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR", "picture"),
        (b'<?xml version="1.0"?>\n<!-- made -->\n<svg xmlns="http://www.w3.org/2000/svg">', "picture"),
        (b"\0\0\0\x18ftypmp42", "video"),
        (b"\0\0\0\x18ftypavif", "picture"),
        (b"\x7fELF\2\1\1", "program"),
        (b"MZ\x90\0\3", "program"),
        (b"MZ is how this text begins", None),
        (b"RIFF\0\0\0\0WEBP", "picture"),
        (b"%PDF-1.7\n", "PDF"),
        (b"some\0thing", "data that is no text"),
        (b"\xff\xfes\0o\0", None),  # UTF-16, which is a reject, with its reason
        (b'<html><svg width="1">', None),
        (b"caf\xe9", None),
        (b"", None),
    ],
)
def test_beginnings(beginning: bytes, kind: str | None) -> None:
    assert other_kind(beginning) == kind


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_letters_are_text_but_for_the_marks_of_other_kinds(text: str) -> None:
    assert other_kind(f"A {text}".encode()) is None
