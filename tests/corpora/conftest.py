"""The environment of which corpora are made in these tests."""

import importlib.metadata
import sysconfig
from pathlib import Path

import pytest
from installed_packages import BIG_MODULES, LONG, docstring, install


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    site, stdlib = tmp_path / "site", tmp_path / "stdlib"
    small = (
        docstring("", "The module")
        + "import os\nif os.name:\n    class Shape:\n"
        + docstring("        ", "A shape")
        + "        def area(self):\n"
        + docstring("            ", "Its area")
        + "            def inner():\n"
        + docstring("                ", "Hidden")
        + "    def area():\n"
        + docstring("        ", "First")
        + "    def area():\n"
        + docstring("        ", "Second")
        + "def short():\n    '''Too short.'''\n"
    )
    install(
        site,
        "Small",
        f"License-Expression: MIT\nDescription-Content-Type: text/plain\n\nRead me. {LONG}",
        {
            "small/__init__.py": small.encode(),
            "small/tests/test_it.py": small.encode(),
            "small/not-importable.py": small.encode(),
            "small/broken.py": f'"""{LONG}"""\ndef def'.encode(),
            "small/undecodable.py": b'"""' + LONG.encode() + b'\xff"""',
            "small/surrogate.py": f'"""\\ud800 {LONG}"""'.encode(),
            "Small-1.0.dist-info/licenses/LICENSE": f"Permission is granted. {LONG}".encode(),
            "Small-1.0.dist-info/licenses/vendored/LICENSE": f"Permission is granted. {LONG}".encode(),
        },
    )
    modules = {f"big/part{i % 3}/m{i:02d}.py": docstring("", f"Part {i}").encode() for i in range(BIG_MODULES)}
    install(site, "big", "License: BSD\n", modules)
    for name in ["json/tool.py", "test/test_json.py", "site-packages/other.py"]:
        (stdlib / name).parent.mkdir(parents=True, exist_ok=True)
        (stdlib / name).write_text(docstring("", "Of the standard library"))
    real_distributions = importlib.metadata.distributions
    monkeypatch.setattr(importlib.metadata, "distributions", lambda: real_distributions(path=[str(site)]))
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(stdlib))
    return tmp_path
