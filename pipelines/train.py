"""DVC stage `train`: see `synthtrail.stages.train`."""

import sys

from synthtrail.stages.command import run_stage
from synthtrail.stages.train import train

if __name__ == "__main__":
    sys.exit(run_stage("train", train, sys.argv[1:]))
