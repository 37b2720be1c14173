"""The recipe: raw documents in, shards of in-context pretraining sequences out.

    python -m sequitur.beam_job --config my.yaml [--workers N] [--on FILE] [any Beam option]

Without a runner the job runs here, in Beam's in-process FnApiRunner with N worker processes. With `--runner=…`, or with
one in FILE, each stage is submitted there; `output` and the inputs must then lie where its workers can reach them. What
neither this nor Beam knows is refused.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sequitur.pipeline import run_directory
from sequitur.pipeline.config import Config, load
from sequitur.pipeline.errors import SequiturError
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.runner import Runner, quieten
from sequitur.pipeline.stage import Run
from sequitur.pipeline.storage import Directory
from sequitur.pipeline.termination import INTERRUPTED, sigterm_interrupts
from sequitur.pipeline.watching import watched
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
    """Runs the recipe, or some of its stages; returns the exit code, of which docs/command-line.md tells."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--config", required=True, help="configuration file; `sequitur init` writes one")
    parser.add_argument("--on", metavar="FILE", help="Beam options of a runner, as for `sequitur run`")
    parser.add_argument("--workers", type=int, default=1, help="worker processes when the job runs here")
    parser.add_argument("--only", metavar="STAGE", help="run this stage alone")
    parser.add_argument("--from", dest="first", metavar="STAGE", help="begin with this stage")
    parser.add_argument("--until", dest="last", metavar="STAGE", help="end with this stage")
    parser.add_argument("--refit", action="store_true", help="fit anew what an updated run keeps, as `sequitur run`")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting")
    parser.add_argument("--metrics-file", type=Path, metavar="FILE", help="for Prometheus, as for `sequitur run`")
    parser.add_argument("--openlineage", metavar="TARGET", help="file or URL of events, as for `sequitur run`")
    known, beam_options = parser.parse_known_args(arguments)
    if known.only and (known.first or known.last):
        parser.error("--only goes without --from and --until")
    with sigterm_interrupts() as told:
        return told(_run(known, beam_options))


def _run(known: argparse.Namespace, beam_options: Sequence[str]) -> int:
    progress = Progress()
    try:
        with watched(progress, known.metrics_file, known.openlineage):
            options = options_of(known.on, beam_options)
            bring_up_to_date(
                load(known.config, known.set),
                options,
                known.workers,
                progress,
                known.only or known.first,
                known.only or known.last,
                refit=known.refit,
            )
    except SequiturError as error:
        progress.say(f"error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        progress.say("error: interrupted; the same command goes on from here")
        return INTERRUPTED
    return 0


def options_of(on: str | Path | None, more: Sequence[str] = ()) -> Sequence[str]:
    """The Beam options in a file, and more of the command line.

    Raises:
        ConfigError: the file cannot be read, or nobody knows one of them.
    """
    if not on and not more:
        return ()
    from sequitur.pipeline import engines  # and with it Beam

    options = (*(engines.read_engine(Path(on)) if on else ()), *more)
    engines.check_names(options, "the command")
    return options


def bring_up_to_date(
    config: Config,
    options: Sequence[str],
    workers: int,
    progress: Progress,
    first: str | None = None,
    last: str | None = None,
    *,
    refit: bool = False,
) -> Run:
    """Runs the stages from `first` to `last`, here, or on the runner that is among the Beam options.

    Raises:
        SequiturError: of `run_directory.execute`; or the runner does not answer, or could not know a path.
    """
    progress.run_begins(config)
    runner = Runner(workers, options)
    if runner.is_local:
        quieten()
    else:
        from sequitur.pipeline import engines

        engines.check_paths(config)
        engines.check_reachable(options)
        run_directory.check_place(Directory(config.output))
        progress.say("a worker looks whether it reaches the inputs and the output")
        runner.run(engines.look_around(config), 1)
    run = Run(config, runner, progress)
    run_directory.execute(RECIPE, run, first, last, refit=refit)
    return run


if __name__ == "__main__":
    sys.exit(main())
