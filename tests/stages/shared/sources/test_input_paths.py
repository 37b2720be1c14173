"""An input's files are found by name, directory and glob alike, links followed; what is passed over is told."""

import os
import re
from pathlib import Path

import fsspec
import pytest

from sequitur.pipeline.errors import StorageError
from sequitur.stages.shared.sources.input_paths import file_url, find_files, modified, open_input


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with inputs, some of them hidden."""
    for name in (
        "b.jsonl",
        "a.jsonl",
        "x[1].jsonl",
        ".c.jsonl",
        "deep/d.jsonl",
        "deep/.git/e.jsonl",
        "note.txt",
        "_SUCCESS",
        "_temporary/0.jsonl",
        "__init__.py",
    ):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("data/a.jsonl", ["a.jsonl"]),
        ("data", ["__init__.py", "a.jsonl", "b.jsonl", "deep/d.jsonl", "note.txt", "x[1].jsonl"]),
        ("data/", ["__init__.py", "a.jsonl", "b.jsonl", "deep/d.jsonl", "note.txt", "x[1].jsonl"]),
        ("./data/*.jsonl", ["a.jsonl", "b.jsonl", "x[1].jsonl"]),
        ("data/**/*.jsonl", ["a.jsonl", "b.jsonl", "deep/d.jsonl", "x[1].jsonl"]),
        ("data/?.jsonl", ["a.jsonl", "b.jsonl"]),
        ("data/[ab].jsonl", ["a.jsonl", "b.jsonl"]),
        ("data/x[1].jsonl", ["x[1].jsonl"]),
        ("data/.c.jsonl", [".c.jsonl"]),
        ("data/.*", [".c.jsonl"]),
        ("data/_*", ["_SUCCESS", "__init__.py"]),
        ("data/_temporary", ["_temporary/0.jsonl"]),
        ("data/deep/.git", ["deep/.git/e.jsonl"]),
        ("data/{b,a}.jsonl", ["a.jsonl", "b.jsonl"]),
        ("data/{deep/*,{none,note}}{.jsonl,.txt}", ["deep/d.jsonl", "note.txt"]),
        ("data/none", []),
        ("data/none*", []),
    ],
)
@pytest.mark.parametrize("base", ["", "absolute", "url"])
@pytest.mark.usefixtures("files")
def test_expansion_is_sorted_and_spelled_as_the_pattern(pattern: str, found: list[str], base: str) -> None:
    root = {"": "", "absolute": f"{Path.cwd()}/", "url": f"file://{Path.cwd()}/"}[base]
    pattern = root + (pattern.removeprefix("./") if base else pattern)

    assert find_files(pattern).files == [f"{root}data/{name}" for name in found]


@pytest.mark.parametrize("pattern", ["memory://bucket/in", "memory://bucket/in/", "memory://bucket/in/*.jsonl"])
def test_expansion_on_other_file_systems_gives_urls(pattern: str) -> None:
    memory = fsspec.filesystem("memory")
    for name in ("b.jsonl", "a.jsonl", ".hidden.jsonl"):
        memory.pipe_file(f"/bucket/in/{name}", b"")

    found = find_files(pattern).files

    memory.rm("/bucket", recursive=True)
    assert found == ["memory://bucket/in/a.jsonl", "memory://bucket/in/b.jsonl"]


@pytest.mark.usefixtures("files")
def test_what_is_hidden_is_told() -> None:
    hidden = ["data/.c.jsonl", "data/_SUCCESS", "data/_temporary/0.jsonl", "data/deep/.git/e.jsonl"]
    assert find_files("data").hidden == hidden
    assert find_files("data/**").hidden == hidden
    assert find_files("data/*.jsonl").hidden == ["data/.c.jsonl"]
    assert find_files("data/_*").hidden == []


@pytest.fixture
def linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with links: to a file, to a directory beside it, back to itself, and to nothing."""
    monkeypatch.chdir(tmp_path)
    for name in ("in/a.jsonl", "real/deep/b.jsonl", "real/c.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"{}\n")
    for name, target in (("d.jsonl", "../real/c.jsonl"), ("more", "../real"), ("nowhere.jsonl", "gone"), ("self", ".")):
        (tmp_path / "in" / name).symlink_to(target)
    (tmp_path / "real/deep/up").symlink_to("../..")
    os.mkfifo(tmp_path / "in/pipe")
    return tmp_path


@pytest.mark.usefixtures("linked")
def test_links_are_followed_but_no_directory_is_entered_twice() -> None:
    found = find_files("in")
    assert found.files == ["in/a.jsonl", "in/d.jsonl", "in/more/c.jsonl", "in/more/deep/b.jsonl"]
    # `up` leads to the directory with `in` and `real`, in which both were entered.
    expected = ["in/more/deep/up/in", "in/more/deep/up/real", "in/nowhere.jsonl", "in/pipe", "in/self"]
    assert found.no_files == expected
    assert find_files("in/**/*.jsonl").files == found.files
    assert find_files("in/**/*.jsonl").no_files == ["in/nowhere.jsonl"]
    assert find_files("in/*/*.jsonl").files == ["in/more/c.jsonl"]


@pytest.mark.parametrize("name", ["a::b.jsonl", "zip::c.jsonl", "100%.jsonl", "d#e?.jsonl"])
def test_a_name_is_a_name_whatever_it_holds(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"content")
    assert find_files(str(path)).files == [str(path)]
    assert find_files(f"file://{path}").files == [f"file://{path}"]
    assert find_files(str(tmp_path)).files == [str(path)]
    for spelled in (str(path), f"file://{path}"):
        with open_input(spelled) as file:
            assert file.read() == b"content"


@pytest.mark.parametrize("pattern", ["github://a", "reference://a", "dir://a", "data:a://b", "zip://a::b.jsonl"])
def test_whatever_a_file_system_raises_is_one_line(files: Path, pattern: str) -> None:
    with pytest.raises(StorageError, match=rf"^{re.escape(pattern)}: .+; check the path and its file system$"):
        find_files(pattern)


@pytest.mark.parametrize("pattern", ["nosuch://a/b", "nosuch://a/*"])
def test_an_unknown_file_system_is_a_storage_error(pattern: str) -> None:
    with pytest.raises(StorageError, match=r"nosuch://a/.*: Protocol not known"):
        find_files(pattern)


def test_a_directory_is_read_by_its_own_name_rather_than_by_a_link(tmp_path: Path) -> None:
    deep = tmp_path / "/".join(["d"] * 300)
    deep.mkdir(parents=True)
    (deep / "a.jsonl").touch()
    (tmp_path / "again").symlink_to(deep)
    assert find_files(str(tmp_path)).files == [str(deep / "a.jsonl")]
    assert find_files(str(tmp_path)).no_files == [str(tmp_path / "again")]


def test_links_that_fork_again_and_again_end(tmp_path: Path) -> None:
    for level in range(40):
        (tmp_path / str(level)).mkdir()
        for name in ("left", "right"):
            (tmp_path / str(level) / name).symlink_to(f"../{level + 1}")
    (tmp_path / "40").mkdir()
    (tmp_path / "40" / "a.jsonl").touch()
    assert len(find_files(str(tmp_path / "0")).files) == 1


@pytest.mark.parametrize(
    ("include", "exclude", "found"),
    [
        (["*.jsonl"], [], ["a.jsonl", "b.jsonl", "deep/d.jsonl", "x[1].jsonl"]),
        (["/*.jsonl"], ["a*"], ["b.jsonl", "x[1].jsonl"]),
        (["deep/**"], [], ["deep/d.jsonl"]),
        (["*.{txt,py}"], [], ["__init__.py", "note.txt"]),
        ([], ["*.jsonl", "_*"], ["note.txt"]),
        (["*.none"], [], []),
    ],
)
@pytest.mark.usefixtures("files")
def test_of_a_directory_some_files_are_chosen(include: list[str], exclude: list[str], found: list[str]) -> None:
    assert find_files("data", include, exclude).files == [f"data/{name}" for name in found]


@pytest.mark.usefixtures("files")
def test_braces_may_stand_in_a_name() -> None:
    Path("data/{a,b}.txt").touch()
    assert find_files("data/{a,b}.txt").files == ["data/{a,b}.txt"]
    with pytest.raises(StorageError, match="more than 10,000 globs"):
        find_files("{0,1,2,3,4,5,6,7,8,9}" * 5)


def test_a_path_as_a_url(tmp_path: Path) -> None:
    assert file_url("/data/a b.txt") == "file:///data/a%20b.txt"
    assert file_url("data/a.txt") == "file:data/a.txt"
    assert file_url("s3://bucket/a b") == "s3://bucket/a b"
    (tmp_path / "a").touch()
    os.utime(tmp_path / "a", (10**9, 10**9))
    moment = modified(str(tmp_path / "a"))
    assert moment is not None
    assert moment.timestamp() == 10**9
