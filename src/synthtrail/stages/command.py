"""From a command line to a stage: one clear line and an exit code for whatever stops it.

    python pipelines/train.py iris

Exit codes: 0 done; 1 refused (a verdict, a ledger that does not hold); 2 asked for what cannot be done, or bad input;
130 stopped by ctrl-C or `kill`, with nothing half-written.
A traceback means a mistake of ours, and is let through.
"""

import signal
import sys
from collections.abc import Callable, Sequence

from synthtrail.custody.errors import CustodyError
from synthtrail.data.errors import DataError
from synthtrail.models.errors import ModelError
from synthtrail.params import ParamsError
from synthtrail.stages.context import Context, StageError

USER_ERRORS = (CustodyError, DataError, ModelError, ParamsError, StageError, OSError)


def run_stage(stage: str, work: Callable[[Context], None], arguments: Sequence[str]) -> int:
    """Run `work` for the experiment named by the one argument; return the exit code."""
    if len(arguments) != 1:
        print(f"usage: python pipelines/{stage}.py EXPERIMENT", file=sys.stderr)
        return 2
    name = arguments[0]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that `kill` too lets the stage clean up
    try:
        work(Context.begin(name, stage))
    except KeyboardInterrupt:
        print(f"{stage} {name}: stopped; nothing was written", file=sys.stderr)
        return 130
    except USER_ERRORS as error:
        print(f"{stage} {name}: {one_line(error)}", file=sys.stderr)
        return 2
    return 0


def run_sign(work: Callable[[Callable[[str], None]], list[str]]) -> int:
    """Run `work`, which returns a line for each refusal; print them and return the exit code."""
    try:
        refusals = work(lambda line: print(f"sign: {line}"))
    except USER_ERRORS as error:
        print(f"sign: {one_line(error)}", file=sys.stderr)
        return 1
    for line in refusals:
        print(f"sign: {line}", file=sys.stderr)
    return 1 if refusals else 0


def one_line(error: Exception) -> str:
    """Return the error's message on one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return " ".join(str(error).split())
