"""DVC stage `preprocess`: see `synthtrail.stages.preprocess`."""

import sys

from synthtrail.stages.command import run_stage
from synthtrail.stages.preprocess import preprocess

if __name__ == "__main__":
    sys.exit(run_stage("preprocess", preprocess, sys.argv[1:]))
