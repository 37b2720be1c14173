"""The recipe: raw documents in, shards of in-context pretraining sequences out.

    python -m sequitur.beam_job --config my.yaml [--workers N] [any Beam option]

Without `--runner` the job runs here, in Beam's in-process FnApiRunner with N worker processes. With `--runner=…` each
stage is submitted there; `output` and the inputs must then lie where its workers can reach them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from sequitur.pipeline import run_directory
from sequitur.pipeline.beam import Runner, quieten
from sequitur.pipeline.config import load
from sequitur.pipeline.errors import SequiturError
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.stage import Run
from sequitur.pipeline.termination import INTERRUPTED, sigterm_interrupts
from sequitur.stages import annotate, embed, ingest, neighbors, order, pack, refine, report, select, tokenize

RECIPE = (
    ingest.STAGE,  # raw files             → documents
    refine.STAGE,  # documents             → refined, where a setting asks for it
    annotate.STAGE,  # text                → signals
    select.STAGE,  # signals               → selection: who stays, and why not
    tokenize.STAGE,  # documents, selection → tokens
    embed.STAGE,  # documents, selection   → vectors
    neighbors.STAGE,  # vectors            → neighbors, without near-duplicates
    order.STAGE,  # neighbors              → order
    pack.STAGE,  # order, tokens           → shards
    report.STAGE,  # all                   → report
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the whole recipe; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--config", required=True, help="configuration file; `sequitur init` writes one")
    parser.add_argument("--workers", type=int, default=1, help="worker processes when the job runs here")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting")
    known, beam_options = parser.parse_known_args(arguments)
    with sigterm_interrupts() as told:
        return told(_run(known, beam_options))


def _run(known: argparse.Namespace, beam_options: Sequence[str]) -> int:
    progress = Progress()
    try:
        runner = Runner(known.workers, beam_options)
        if runner.is_local:
            quieten()
        run_directory.execute(RECIPE, Run(load(known.config, known.set), runner, progress))
    except SequiturError as error:
        progress.say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        progress.say("error: interrupted; the same command goes on from here")
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
