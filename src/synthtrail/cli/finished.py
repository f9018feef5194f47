"""What the commands that go on from a finished run share: what is checked first, and how they end.

return carry_out("generate", arguments, make)      # arguments: name, seed, and output where there is one
"""

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from synthtrail.cli.errors import CommandError
from synthtrail.params import ParamsError, load, nearest


def carry_out(command: str, arguments: argparse.Namespace, make: Callable[[argparse.Namespace], int]) -> int:
    """Return what `make` returns, or 130 if it was stopped.

    Raises `CommandError` if the experiment is not on, the output is there already, the seed is none, or `make` fails in
    a way that is the user's to mend.
    """
    from synthtrail.stages.command import USER_ERRORS, one_line  # noqa: PLC0415 - the pipeline's libraries

    check(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return make(arguments)
    except KeyboardInterrupt:
        print(f"synthtrail {command} {arguments.name}: stopped; nothing was written", file=sys.stderr)
        return 130
    except USER_ERRORS as error:
        raise CommandError(one_line(error)) from error


def check(arguments: argparse.Namespace) -> None:
    """Raise `CommandError` unless what was asked for can be begun."""
    try:
        experiments = load(Path("params.yaml"))
    except ParamsError as error:
        raise CommandError(str(error)) from None
    if arguments.name not in experiments:
        raise CommandError(f"no experiment {arguments.name!r} is on{nearest(arguments.name, set(experiments))}")
    output = getattr(arguments, "output", None)
    if output is not None and output.exists():
        raise CommandError(f"{output} is there already; choose another name")
    if arguments.seed is not None and not 0 <= arguments.seed < 2**32:
        raise CommandError("--seed must be between 0 and 2^32 - 1")
