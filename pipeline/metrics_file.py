"""How a run stands, in a file for Prometheus: its text format, as the node exporter's textfile collector reads it.

The file is replaced as a whole, whenever a stage begins or ends and at most every ten seconds in between. Every sample
bears the run's output as a label, so that the files of several runs may lie in one folder.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sequitur import __version__
from sequitur.pipeline import artifacts
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import CorruptPart, RunLocked, SequiturError, StorageError
from sequitur.pipeline.names import METRICS, REPORT
from sequitur.pipeline.storage import Directory
from sequitur.pipeline.watching import Planned, Watcher, without_secrets

TICK_SECONDS = 10.0  # between two writes while a stage is at work
MOST_BYTES = 2**20  # of a file of before, which is read for the last success
RUNNING, SUCCEEDED, FAILED, INTERRUPTED = "running", "succeeded", "failed", "interrupted"
LAST_SUCCESS = "sequitur_run_last_success_timestamp_seconds"
_LAST_SUCCESS = re.compile(rf"^{LAST_SUCCESS}(?:{{.*}})? (\d+(?:\.\d+)?)$", re.MULTILINE)
_HELP = {
    "sequitur_run_info": "What is run: the dataset's name, the version that runs it, the fingerprint it will have.",
    "sequitur_run_status": "1 for how the run stands: running, succeeded, failed or interrupted; 0 for the others.",
    "sequitur_run_start_timestamp_seconds": "When the command was started, in seconds since 1970.",
    LAST_SUCCESS: "When a run that tells this file succeeded last, in seconds since 1970.",
    "sequitur_stage_up_to_date": "Whether a stage is done, by this run or an earlier one.",
    "sequitur_stage_seconds": "Seconds a stage has taken in this run, so far or in all.",
    "sequitur_stage_done": "How much of its present step the stage that is at work has done.",
    "sequitur_stage_expected": "How much that step is in all.",
    "sequitur_stage_parts": "Files of the artifact that a stage made.",
    "sequitur_stage_rows": "Rows of the artifact that a stage made.",
    "sequitur_stage_bytes": "Bytes of the artifact that a stage made.",
    "sequitur_records": "Records by what became of them: rejected, dropped for a reason, placed.",
    "sequitur_records_read": "Records that were read.",
    "sequitur_documents_kept": "Documents that rules and duplicates left.",
    "sequitur_driver_resident_memory_bytes": "Resident memory of the process that drives the run, without its workers.",
    "sequitur_output_free_bytes": "Free bytes of the local disk that holds the run.",
}
_COUNTS = {"records": "sequitur_records_read", "kept": "sequitur_documents_kept"}  # of statistics in manifests
Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]  # a metric's name, its labels, its value


def exposition(samples: Iterable[Sample], described: Mapping[str, str]) -> str:
    """Gauges in Prometheus' text format 0.0.4: the samples of a metric together, in the order of `described`, which has
    what is said of each."""
    of: dict[str, list[str]] = {name: [] for name in described}
    for name, labels, value in samples:
        shown = ",".join(f'{label}="{_escaped(text, quotes=True)}"' for label, text in labels.items())
        of[name].append(f"{name}{{{shown}}} {value!r}\n" if shown else f"{name} {value!r}\n")
    heads = {name: f"# HELP {name} {_escaped(text)}\n# TYPE {name} gauge\n" for name, text in described.items()}
    return "".join(heads[name] + "".join(lines) for name, lines in of.items() if lines)


def _escaped(text: str, *, quotes: bool = False) -> str:
    found = text.replace("\\", r"\\").replace("\n", r"\n")
    return found.replace('"', r"\"") if quotes else found


@dataclass
class _Stage:
    """What is told of a stage."""

    makes: Directory
    began: float | None = None  # by the monotonic clock
    seconds: float | None = None
    up_to_date: bool = False
    sizes: dict[str, int] = field(default_factory=dict)


class MetricsFile(Watcher):
    """Keeps the file of a run.

    Args:
        path: of the file; its folder is there.
        say: prints a line.
    """

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self._path, self._say = path, say
        self._config: Config | None = None
        self._fingerprint = ""
        self._stages: dict[str, _Stage] = {}
        self._step: tuple[str, int, int | None, str] | None = None  # stage, done, total, unit
        self._counts: dict[str, list[Sample]] = {}  # by stage
        self._status, self._began = RUNNING, time.time()
        self._last_success = _last_success(path)
        self._written = -TICK_SECONDS
        self._warned = False

    def run_begins(self, config: Config) -> None:
        self._config = config

    def planned(self, stages: Sequence[Planned]) -> None:
        first = not self._stages
        for stage in stages:
            self._stages[stage.name] = _Stage(stage.makes[0])
            self._fingerprint = stage.fingerprint or self._fingerprint
        if first:
            self._warned = True  # what is raised here ends the run, and is told as that
            self._write()
            self._warned = False

    def stage_begins(self, stage: str) -> None:
        if stage in self._stages:
            self._stages[stage].began = time.monotonic()
            self._write_or_warn()

    def ticked(self, done: int, total: int | None, unit: str) -> None:
        working = next(
            (name for name, one in self._stages.items() if one.began is not None and not one.up_to_date), None
        )
        if working is not None:
            self._step = working, done, total, unit
            if time.monotonic() - self._written >= TICK_SECONDS:
                self._write_or_warn()

    def stage_ends(self, stage: str) -> None:
        about, self._step = self._stages[stage], None
        about.up_to_date = True
        if about.began is not None:
            about.seconds = time.monotonic() - about.began
        self._warning(lambda: self._count(stage, about))
        self._write_or_warn()

    def _count(self, name: str, stage: _Stage) -> None:
        manifest = artifacts.require_manifest(stage.makes)
        stage.sizes = {"parts": len(manifest.parts), "rows": manifest.rows, "bytes": manifest.bytes}
        known = ((metric, manifest.statistics.get(key)) for key, metric in _COUNTS.items())
        self._counts[name] = [(metric, {}, value) for metric, value in known if isinstance(value, int)]
        if manifest.artifact == REPORT:
            self._counts[name] += _fates(stage.makes)

    def run_ends(self, error: BaseException | None) -> None:
        if isinstance(error, RunLocked) and not self._stages:
            return  # who holds the lock may well keep this file
        self._step = None
        if error is None:
            self._status, self._last_success = SUCCEEDED, time.time()
        else:
            self._status = INTERRUPTED if isinstance(error, KeyboardInterrupt) else FAILED
        self._write_or_warn()

    def _write_or_warn(self) -> None:
        self._warning(self._write)

    def _warning(self, act: Callable[[], None]) -> None:
        """Does something of which a failure is told once, and fails no run."""
        try:
            act()
        except SequiturError as error:
            if not self._warned:
                self._say(f"warning: {error}; the run goes on")
            self._warned = True

    def _write(self) -> None:
        """Raises StorageError where the file cannot be written."""
        self._written = time.monotonic()
        if not self._path.absolute().parent.is_dir():
            raise StorageError(f"{self._path}: its folder is not there; make it, or choose another --metrics-file")
        of_run = {} if self._config is None else {"output": without_secrets(self._config.output)}
        samples = [(name, {**of_run, **labels}, value) for name, labels, value in self._samples()]
        content = exposition(samples, _HELP).encode("utf-8", "replace")
        Directory(str(self._path.absolute().parent)).write_bytes(self._path.name, content)

    def _samples(self) -> Iterator[Sample]:
        about = {"version": __version__}
        if self._config is not None:
            about |= {"name": self._config.name, "fingerprint": self._fingerprint}
        yield "sequitur_run_info", about, 1
        for status in (RUNNING, SUCCEEDED, FAILED, INTERRUPTED):
            yield "sequitur_run_status", {"status": status}, int(status == self._status)
        yield "sequitur_run_start_timestamp_seconds", {}, self._began
        if self._last_success is not None:
            yield LAST_SUCCESS, {}, self._last_success
        for name, stage in self._stages.items():
            yield "sequitur_stage_up_to_date", {"stage": name}, int(stage.up_to_date)
            if stage.began is not None:
                seconds = time.monotonic() - stage.began if stage.seconds is None else stage.seconds
                yield "sequitur_stage_seconds", {"stage": name}, round(seconds, 3)
            for what, size in stage.sizes.items():
                yield f"sequitur_stage_{what}", {"stage": name}, size
        if self._step is not None:
            stage_at_work, done, total, unit = self._step
            yield "sequitur_stage_done", {"stage": stage_at_work, "unit": unit}, done
            if total is not None:
                yield "sequitur_stage_expected", {"stage": stage_at_work, "unit": unit}, total
        yield from itertools.chain.from_iterable(self._counts.values())
        if (resident := _resident_bytes()) is not None:
            yield "sequitur_driver_resident_memory_bytes", {}, resident
        if self._config is not None and (free := Directory(self._config.output).free_bytes()) is not None:
            yield "sequitur_output_free_bytes", {}, free


def _fates(report: Directory) -> list[Sample]:
    """What became of the records, by the ledger of a report; nothing where the recipe's report has none."""
    if not report.exists(METRICS):
        return []
    try:
        records = report.read_json(METRICS)["ledger"]["records"]
        fates = {"rejected": records["rejected"], "placed": records["placed"], **records["dropped"]}
        return [("sequitur_records", {"fate": fate}, int(count)) for fate, count in sorted(fates.items())]
    except (LookupError, TypeError, ValueError) as error:
        raise CorruptPart(
            f"{report.path(METRICS)}: is not what the report wrote; delete the report, and run again"
        ) from error


def _resident_bytes() -> int | None:
    """Of this process; None where the system has no /proc."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def _last_success(path: Path) -> float | None:
    """When a run succeeded, by the file that an earlier one left; None where it does not say."""
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            return None
        found = _LAST_SUCCESS.search(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return float(found[1]) if found else None
