"""What the flex template starts: a Dataflow job of one element, on whose worker the recipe is run.

A flex template turns the first graph that its program runs into the job, and runs no other. The recipe is many jobs
with work between them, so it cannot be such a program itself: it is what this one's only worker does. It takes the
parameters of `python -m sequitur.beam_job`; the files may be URLs. Without `--on` the stages run on that worker, with
all of its cores; with `--on`, each in jobs of its own on the runner that is in that file.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import apache_beam as beam
import fsspec
from apache_beam.options.pipeline_options import PipelineOptions

FILES = ("config", "on")
SWITCHES = ("refit",)  # given as `true`
PARAMETERS = (*FILES, "workers", "only", "from", "until", "set", "openlineage", *SWITCHES)


class RunRecipe(beam.DoFn):
    """Runs the recipe with given arguments. Where it fails the runner tries again, and it goes on where it stopped."""

    def process(self, given: dict[str, str]) -> Iterator[None]:
        with tempfile.TemporaryDirectory() as scratch:
            command = [sys.executable, "-m", "sequitur.beam_job", *arguments(given, Path(scratch))]
            logging.info("%s", command)
            job = subprocess.Popen(  # noqa: S603 - a list of arguments, which no shell reads
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                errors="backslashreplace",
            )  # fmt: skip
            said: deque[str] = deque(maxlen=1)
            for line in job.stdout or ():
                said.append(line.rstrip("\n"))
                logging.info("%s", said[-1])
            if code := job.wait():
                raise RuntimeError(f"ended with {code}: {said[-1] if said else 'it said nothing'}")
        yield from ()


def arguments(given: dict[str, str], scratch: Path) -> list[str]:
    """The arguments of the recipe, of which files that are elsewhere are copied to `scratch`."""
    found = dict(given)
    for name in FILES:
        if "://" in found.get(name, ""):
            with fsspec.open(found[name], "rb") as file:
                (scratch / name).write_bytes(file.read())
            found[name] = str(scratch / name)
    if "on" not in found:
        found.setdefault("workers", str(os.cpu_count() or 1))
    return [f"--{name}" if name in SWITCHES else f"--{name}={value}" for name, value in found.items()]


def main(command: Sequence[str]) -> None:
    """Runs the pipeline, or where the template's launcher asks for it only writes its graph."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    for name in PARAMETERS:
        parser.add_argument(f"--{name}", required=name == "config")
    known, beam_options = parser.parse_known_args(command)
    given = {name: value for name, value in vars(known).items() if value}
    pipeline = beam.Pipeline(options=PipelineOptions(beam_options))
    _ = pipeline | beam.Create([given]) | "Recipe" >> beam.ParDo(RunRecipe())
    pipeline.run()  # nobody waits: the launcher wants the graph alone


if __name__ == "__main__":
    logging.getLogger().setLevel(logging.INFO)
    main(sys.argv[1:])
