"""A run over text that wants to be more than text, and headless Chromium to look at its report."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from sequitur.pipeline.stage import Run
from sequitur.stages.report.page.page import INDEX

HOSTILE = "</script><script>alert('text')</script><img src=x onerror=alert('image')>\u2028\u202egnirts"
COUNT_ALERTS = "window.alerts = 0; window.alert = () => { window.alerts += 1; };"


@pytest.fixture(scope="session")
def hostile_run(corpus: Any, execute: Callable[..., Run], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole job over a corpus whose texts, ids and sources hold markup and scripts."""
    folder = tmp_path_factory.mktemp("hostile")
    lines = []
    for line in corpus.lines:
        try:
            record = json.loads(line)
        except ValueError:
            lines.append(line)
            continue
        if "text" in record:
            record["text"] = f"{HOSTILE}\n\n{record['text']}"
        record["source"] = f"{record.get('source')}{HOSTILE}"
        record["id"] = f"{record.get('id')}<b>"
        lines.append(json.dumps(record).encode())
    path = folder / "hostile.jsonl"
    path.write_bytes(b"\n".join(lines))
    return execute(folder / "run", ingest={"inputs": [str(path)]})


@pytest.fixture(scope="session")
def page(hostile_run: Run) -> Path:
    return Path(hostile_run.artifact("report").path(INDEX))


class Browser(webdriver.Chrome):
    """Chromium as it comes with the system, of which every message and request is kept."""

    def __init__(self) -> None:
        binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
        assert binary, "no chromium here: make test-browser installs it"
        assert driver, "no chromedriver here: make test-browser installs it"
        options = webdriver.ChromeOptions()
        options.binary_location = binary
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        super().__init__(options=options, service=Service(driver))
        self.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": COUNT_ALERTS})

    def look(self, path: Path, *, width: int = 1280, scheme: str = "light", scripts: bool = True) -> None:
        """Opens a file in a window of some width, in a light or dark scheme."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        self.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})
        self.get("about:blank")
        self.get_log("browser")
        self.get_log("performance")
        self.get(path.as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        return self.execute_script(script, *arguments)

    def all(self, selector: str) -> list[Any]:
        return self.find_elements("css selector", selector)

    def one(self, selector: str) -> Any:
        return self.find_element("css selector", selector)

    def requests(self) -> list[str]:
        """The addresses asked for since the last `look`, but for the page itself and what lies in it."""
        messages = [json.loads(entry["message"])["message"] for entry in self.get_log("performance")]
        sent = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
        return [address for address in sent if not address.startswith(("file:", "data:", "about:"))]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    browser = Browser()
    yield browser
    browser.quit()
