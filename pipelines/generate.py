"""DVC stage `generate`: see `synthtrail.stages.generate`."""

import sys

from synthtrail.stages.command import run_stage
from synthtrail.stages.generate import generate

if __name__ == "__main__":
    sys.exit(run_stage("generate", generate, sys.argv[1:]))
