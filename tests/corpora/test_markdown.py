"""Markdown files as documents: of a folder, of a work tree, of a bare repository."""

import json
import subprocess
from pathlib import Path

import pytest

from sequitur.corpora.markdown import UnreadablePlace, prose, write_markdown

BODY = "A paragraph of a page that says something at some length. " * 12
FILES = {
    "index.md": f"---\ntitle: A\nlist:\n  - --- no end\n---\n\n# A\n\n{BODY}",
    "posts/b.markdown": f"+++\ntitle = 'B'\n+++\n{BODY}{{{{< figure src='x' >}}}} End {{% raw %}}.",
    "posts/ünï code.MD": f"{BODY} end",
    "posts/short.md": "Short.",
    "posts/page.txt": BODY,
    ".github/template.md": BODY,
    "posts/latin.md": (BODY + "caf\u00e9").encode("latin-1"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path / "site"


@pytest.fixture
def repository(folder: Path) -> Path:
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "All"]):
        who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True)
    return folder


def gather(out: Path, *places: Path) -> list[dict[str, str]]:
    count = write_markdown(out, places)
    documents = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(documents) == count
    return documents


def test_prose_is_left_of_a_page(folder: Path, tmp_path: Path) -> None:
    documents = gather(tmp_path / "out.jsonl", folder)

    assert [one["id"] for one in documents] == ["site/index.md", "site/posts/b.markdown", "site/posts/ünï code.MD"]
    assert [one["section"] for one in documents] == [".", "posts", "posts"]
    assert [one["text"] for one in documents] == [f"# A\n\n{BODY}".strip(), f"{BODY} End .", f"{BODY} end"]
    assert {one["source"] for one in documents} == {"site"}


def test_a_repository_is_read_as_its_folder_is_but_what_is_not_committed(repository: Path, tmp_path: Path) -> None:
    expected = gather(tmp_path / "folder.jsonl", repository)
    (repository / "new.md").write_text(BODY)
    (repository / "index.md").unlink()
    bare = tmp_path / "bare/site.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(repository), str(bare)], check=True)

    assert len(expected) == 3
    assert gather(tmp_path / "tree.jsonl", repository) == expected
    assert gather(tmp_path / "git.jsonl", repository / ".git") == expected
    assert gather(tmp_path / "bare.jsonl", bare) == expected


def test_sources_follow_each_other_and_bytes_are_the_same_again(repository: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "c.md").write_text(BODY)
    documents = gather(tmp_path / "out.jsonl", other, repository)
    gather(tmp_path / "again.jsonl", other, repository)

    assert [one["source"] for one in documents] == ["other", *["site"] * 3]
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "again.jsonl").read_bytes()


def test_what_cannot_be_read_is_named_and_leaves_no_file(folder: Path, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path / "empty")], check=True)
    for place, complaint in ((tmp_path / "none", "is no folder"), (tmp_path / "empty", "with a commit")):
        with pytest.raises(UnreadablePlace, match=complaint):
            write_markdown(tmp_path / "out.jsonl", [folder, place])
    assert not list(tmp_path.glob("*out.jsonl*"))


def test_lines_that_only_look_like_front_matter_stay() -> None:
    assert prose(b"A\n---\nB\n---\n") == "A\n---\nB\n---"
    assert prose(b"---\r\na: 1\r\n---\r\nB") == "B"
    assert prose(b"---\nnever closed") == "---\nnever closed"
    assert prose(b"\xff") is None


def test_places_of_one_name_are_told_apart(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "others/site"
    other.mkdir(parents=True)
    (other / "c.md").write_text(BODY)
    sources = {one["source"] for one in gather(tmp_path / "out.jsonl", folder, other)}

    assert sources == {f"{tmp_path.name}/site", "others/site"}
    with pytest.raises(UnreadablePlace, match="given twice"):
        write_markdown(tmp_path / "out.jsonl", [folder, folder])
