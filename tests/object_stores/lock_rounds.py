"""Takes the lock of one run after another, each at the same moment as other processes that do the same.

    python lock_rounds.py URL ROUNDS

Of each round's run `URL/run-NUMBER`, waits for a line on standard input, takes its lock as `sequitur run` does, prints
`held` or `refused` (or what else went wrong), and keeps it until the next line.
"""

import sys

from sequitur.pipeline import lock
from sequitur.pipeline.errors import RunLocked
from sequitur.pipeline.storage import Directory


def say(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def main(url: str, rounds: int) -> None:
    for number in range(rounds):
        directory = Directory(f"{url}/run-{number}")
        sys.stdin.readline()
        try:
            with lock.exclusive(directory):
                say("held")
                sys.stdin.readline()
        except RunLocked:
            say("refused")
            sys.stdin.readline()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
