"""`sequitur run` that has loaded all it needs, and starts with the next line on standard input.

python waiting_run.py CONFIG [OPTION]…
"""

import sys

import s3fs  # noqa: F401
import sentence_transformers  # noqa: F401

from sequitur import beam_job  # noqa: F401
from sequitur.command_line.main import main

if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.argv = ["sequitur", "run", *sys.argv[1:]]
    main()
