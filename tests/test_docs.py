"""The documentation says what is so: generated files, links, the README's tree, commands and snippets, the version."""

import re
import runpy
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

import sequitur
from sequitur import beam_job
from sequitur.pipeline import config, engines

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TOP = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
PAGES = [*TOP, *sorted((ROOT / "docs").rglob("*.md"))]
GENERATE = runpy.run_path(str(ROOT / "docs/generate.py"))
COMMANDS = dict(GENERATE["commands"]())
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^(?: {4}.*\n)+|^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def page(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_generated_files_are_up_to_date() -> None:
    stale = [name_of(file) for file, text in GENERATE["generated"]().items() if page(file) != text]
    assert not stale, f"{stale} have drifted; run `make docs`"


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_relative_links_resolve(path: Path) -> None:
    for link in LINK.findall(page(path)):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        file = path.parent / target if target else path
        assert file.exists(), link
        assert not anchor or anchor in anchors(page(file)), link


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_paths_in_text_are_there(name: str) -> None:
    """But for the examples of the page, those of a whole kind, and what lies in a run directory."""
    text = page(ROOT / name)
    examples = {Path(file).stem for file in re.findall(r"^```\w+\n# (\S+)$", text, re.MULTILINE)}
    kinds = {"stages/X/", "stage.py", "declaration.py", "data/", "run/"}
    made = {stage.artifact for stage in beam_job.RECIPE}
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    paths = {path for path in re.findall(r"`([\w./]+)`", prose) if "/" in path or path.endswith(".py")}
    assert len(paths) > 20
    astray = [
        path
        for path in paths - kinds
        if not (ROOT / path).exists() and path.split("/")[0] not in made and not examples & set(re.split(r"[/.]", path))
    ]
    assert not astray, f"{name} names {sorted(astray)}, which are not there"


def test_every_page_is_listed_in_docs() -> None:
    listed = LINK.findall(page(ROOT / "docs/README.md"))
    lacking = [file.name for file in sorted((ROOT / "docs").glob("*.md")) if file.name not in [*listed, "README.md"]]
    assert not lacking, f"docs/README.md: add a line for {', '.join(lacking)}"


def test_readme_tree_lists_what_is_there() -> None:
    tree = README.split("## What is where\n")[1].split("\n## ")[0]
    listed = re.findall(r"^ {4}(\S+) {2,}\S", tree, re.MULTILINE)
    ignored = [pattern.strip("/") for pattern in page(ROOT / ".gitignore").split()]
    there = [
        path.name + "/" * path.is_dir()
        for path in ROOT.iterdir()
        if not path.name.startswith(".") and not any(fnmatch(path.name, pattern) for pattern in ignored)
    ]
    lacking, gone = sorted(set(there) - set(listed)), sorted(set(listed) - set(there))
    assert not lacking, f"README.md, What is where: add a line for {', '.join(lacking)}"
    assert not gone, f"README.md, What is where: {', '.join(gone)} is not there; take its line out"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_helpful_and_listed(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert [one.name for one in command.params if not one.help] == []
    assert f"## `{name}`" in page(ROOT / "docs/command-line.md")


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_commands_in_examples_exist(path: Path) -> None:
    for block in CODE.finditer(page(path)):
        for line in block[0].splitlines():
            words = line.split("#")[0].split()
            if words[:1] != ["sequitur"]:
                continue
            known = [command for name, command in COMMANDS.items() if words[: len(name.split())] == name.split()]
            assert known, line
            options = {option for one in known[0].params for option in one.opts}
            assert {word for word in words if word.startswith("--")} <= options, line


def test_every_setting_is_documented() -> None:
    reference = page(ROOT / "docs/configuration.md")
    assert [name for name, _ in config.fields() if f"`{name}`" not in reference] == []


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_settings_in_text_and_examples_exist(path: Path) -> None:
    keys = {name for name, _ in config.fields()}
    sections = {key.partition(".")[0] for key in keys if "." in key}
    for section, key in re.findall(r"(?:`|--set )(\w+)\.(\w+)(?=[`=.:])", page(path)):
        is_file = key == "json"
        assert is_file or section not in sections or f"{section}.{key}" in keys, f"{section}.{key}"
    for example in re.findall(r"^```yaml\n(.*?)^```", page(path), re.MULTILINE | re.DOTALL):
        content = yaml.safe_load(example)
        if "runner" in content:  # a file of Beam options
            engines.check_names([f"--{name}={value}" for name, value in content.items()], path.name)
            continue
        content = {"output": "run", **content}
        content["ingest"] = {"inputs": ["data"], **content.get("ingest", {})}
        config.validate(content, path.name)


def test_readme_snippets_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = runpy.run_path(str(ROOT / "tests/helpers/example_dataset.py"))
    example["write_dataset"](tmp_path / "demo/run/shards")
    monkeypatch.chdir(tmp_path)
    snippets = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert len(snippets) == 2
    for number, snippet in enumerate(snippets):
        script = tmp_path / f"snippet_{number}.py"
        script.write_text(snippet)
        runpy.run_path(str(script))


def test_changelog_begins_with_this_version() -> None:
    assert re.findall(r"^## (\S+)", page(ROOT / "CHANGELOG.md"), re.MULTILINE)[0] == sequitur.__version__
