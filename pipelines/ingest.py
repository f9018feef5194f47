"""DVC stage `ingest`: see `synthtrail.stages.ingest`."""

import sys

from synthtrail.stages.command import run_stage
from synthtrail.stages.ingest import ingest

if __name__ == "__main__":
    sys.exit(run_stage("ingest", ingest, sys.argv[1:]))
